"""Many texts read a few batches at a time, each group of batches kept in a file of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from lore_core.language_model.batches import batches
from lore_core.language_model.chat import Turn
from lore_core.tools import checksums, tensor_files

BATCH = 4096  # tokens per forward pass, padding included
SHARD = 10  # batches: a minute or two on two cores


def in_shards(
    turns: Sequence[Turn], read: Callable[[list[list[int]]], Tensor], progress: bool
) -> Tensor:
    """What is read of all texts, in their order.

    Args:
        turns: the texts.
        read: rows in batches -> what is read of them, a row for each, in the same order.
        progress: show tokens read, and per second.
    """
    bar = tqdm(total=sum(turn.stop for turn in turns), unit="token", disable=not progress)
    todo, parts = list(shards(turns)), []
    for shard in todo:
        parts.append(read(shard))
        bar.update(sum(turns[row].stop for batch in shard for row in batch))
    order = torch.tensor([row for shard in todo for batch in shard for row in batch])
    return torch.cat(parts)[order.argsort()]


def shards(turns: Sequence[Turn]) -> Iterator[list[list[int]]]:
    """Rows in batches of like length, the longest first, and batches in groups of SHARD.

    They depend on the chats alone: an interruption does not change who is read with whom.
    """
    alike = list(batches([turn.stop for turn in turns], BATCH))
    for first in range(0, len(alike), SHARD):
        yield alike[first : first + SHARD]


def kept(cache: Path | str, about: Any, name: str, read: Callable[[], Tensor]) -> Tensor:
    """What lies in a cache, or else is read and put there.

    Args:
        cache: folder.
        about: all that the numbers depend on, as JSON can write it; the file is called by it.
        name: of the tensor in the file.
        read: gives it.
    """
    path = Path(cache) / f"{checksums.sha256(json.dumps(about).encode())[:16]}.safetensors"
    try:
        return tensor_files.read(path)[0][name]
    except (FileNotFoundError, ValueError):  # not there yet, or damaged: either way, once more
        found = read()
        tensor_files.write(path, {name: found}, {})
        return found
