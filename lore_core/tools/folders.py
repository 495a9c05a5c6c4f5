"""Folders written whole: a reader finds all of a folder, or none of it."""

import glob
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lore_core.tools.files import HOUR


@contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """A temporary folder to write into; it becomes `path` when the block ends without error.

    Args:
        path: the folder, which must not exist; missing folders around it are made.

    Raises:
        FileExistsError: it exists. Nothing is ever written over.
        whatever the block raises; nothing is then left behind.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists already; remove it, or give another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    forget_killed_writers(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as place:
        unfinished = Path(place) / path.name
        unfinished.mkdir()
        yield unfinished
        unfinished.rename(path)


def forget_killed_writers(path: Path) -> None:
    """Remove what killed processes left of this folder. A younger one may still be at work."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > 24 * HOUR:
            shutil.rmtree(left, ignore_errors=True)
