"""Files written whole: a reader finds the old content or the new, never half of it."""

import glob
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HOUR = 3600  # seconds; no write here takes as long


@contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """A temporary path to write to; it takes the place of `path` when the block ends without error.

    Args:
        path: the file; missing folders are made.

    Raises:
        whatever the block raises; the old file is then as it was, and nothing else is left behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    forget_killed_writers(path)
    here = f"{platform.node()}.{os.getpid()}"  # on a shared disk two machines may use one id
    unfinished = path.with_name(f".{path.name}.{here}.part")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def forget_killed_writers(path: Path) -> None:
    """Remove what killed processes left of this file. A younger one may still be at work."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(FileNotFoundError):  # another process may be tidying up too
            if time.time() - left.stat().st_mtime > HOUR:
                left.unlink()
