"""What a folder of answers belongs to: a reward, responses, a recipe, and the files of pairs.

It is written first. A later run in the same folder has to say the same, or is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from lore_core.adapt.partitions import Partition
from lore_core.recipes import FewShot
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.tools import checksums, manifests, tensor_files
from lore_core.tools.manifests import NAME

KIND = "weights of new users"
FORMAT = 1
CELLS = 2**24  # numbers of the embeddings that are read at once


def claim(folder: Path, said: dict[str, Any]) -> None:
    """Write what a new folder belongs to, or see that it is what is said.

    Raises:
        ValueError: the folder belongs to another reward, recipe, responses or pairs.
    """
    manifests.claim(folder, said, words=other)


def stamp(folder: Path) -> str:
    """SHA-256 of the manifest of a folder."""
    return checksums.sha256((folder / NAME).read_bytes())


def read(folder: Path, expected: str) -> dict[str, Any]:
    """The manifest of a folder.

    Raises:
        FileNotFoundError, ValueError: it is missing, or not the one with the expected stamp.
    """
    return json.loads(checksums.read(folder / NAME, expected, "is another run writing there?"))


def of(
    reward: LowRankReward, responses: Responses, recipe: FewShot, found: Sequence[Partition]
) -> dict[str, Any]:
    """What the answers depend on, as JSON can write it."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "reward": tensor_files.fingerprint({"V": reward.basis, "l": reward.logits}, {}),
        "responses": embeddings_sum(responses.embeddings),
        "recipe": asdict(recipe),
        "partitions": {
            partition.path.name: [partition.rows, partition.footer] for partition in found
        },
    }


def other(name: str, before: Any, now: Any) -> str:
    """How what a folder belongs to differs from what is asked for."""
    if not isinstance(before, dict):
        return f"another {name} ({str(before)[:12]}, here {str(now)[:12]})"
    differ = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if name == "recipe":
        return f"another recipe: {differ[0]} {before.get(differ[0])}, here {now.get(differ[0])}"
    return f"other {name}: {differ[0]} was added, removed or changed ({len(differ)} were)"


def row_blocks(embeddings: Tensor) -> Iterator[Tensor]:
    """Embeddings, a few rows at a time."""
    yield from embeddings.split(max(1, CELLS // max(1, embeddings.shape[1])))


def embeddings_sum(embeddings: Tensor) -> str:
    """SHA-256 of embeddings, without a copy of all of them."""
    digest = hashlib.sha256(f"{embeddings.dtype} {tuple(embeddings.shape)}".encode())
    for rows in row_blocks(embeddings):
        digest.update(rows.contiguous().numpy().data)
    return digest.hexdigest()
