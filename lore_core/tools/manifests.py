"""What a folder belongs to: a manifest, written first; whoever comes later has to say the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lore_core.tools import checksums

NAME = "manifest.json"


def differs(name: str, before: Any, now: Any) -> str:
    """What is not the same, in words."""
    return f"{name} {before}, here {now}"


def claim(
    folder: Path,
    said: dict[str, Any],
    called: str = "folder",
    words: Callable[[str, Any, Any], str] = differs,
) -> None:
    """Write what a new folder belongs to, or see that it is what is said.

    Args:
        folder: new, or claimed before.
        said: what it belongs to, as JSON can write it.
        called: what to call the folder in errors.
        words: what the folder belongs to, from the name of what differs, how it was and how it is.

    Raises:
        ValueError: it holds something else, or belongs to something else.
    """
    said = json.loads(json.dumps(said))
    if not (folder / NAME).is_file():
        if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise ValueError(f"{folder} holds something else already; give another {called}")
        checksums.write(folder / NAME, json.dumps(said, indent=1).encode())
        return
    before = read(folder)
    for name in {**said, **before}:
        if before.get(name) != said.get(name):
            raise ValueError(
                f"{folder} belongs to {words(name, before.get(name), said.get(name))}; "
                f"give another {called}, or go on with what it belongs to"
            )


def read(folder: Path) -> dict[str, Any]:
    """What a folder belongs to.

    Raises:
        ValueError: its manifest is damaged.
    """
    try:
        return dict(json.loads((folder / NAME).read_bytes()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{folder / NAME} is damaged ({error}); remove {folder}") from error
