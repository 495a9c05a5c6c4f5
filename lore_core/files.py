"""Files written whole: a reader finds the old content or the new, never half of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path) -> Iterator[Path]:
    """A temporary path to write to; it takes the place of `path` when the block ends without error.

    Args:
        path: the file; missing folders are made.

    Raises:
        whatever the block raises; the old file is then as it was, and nothing else is left behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
