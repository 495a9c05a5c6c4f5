"""What all partitions share, in the folder of the answers: scores, seen users' logits, a manifest.

    manifest.json           what the folder belongs to; written first
    scores.npy              S = embeddings @ V, (M, K): computed once, then mapped into memory
    on_scores.safetensors   a reward on these scores: its basis is the identity, its users the seen
    weights/                the answers, one file for each partition

Shapes: M responses, d features, K basis rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lore_core.adapt import manifest
from lore_core.adapt.manifest import row_blocks
from lore_core.adapt.partitions import Partition
from lore_core.recipes import FewShot
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.tools import files

SCORES, ON_SCORES, WEIGHTS = "scores.npy", "on_scores.safetensors", "weights"


@dataclass(frozen=True, eq=False)
class Shared:
    """What a worker needs beside a partition.

    Args:
        reward: of the seen users, on scores in the place of embeddings.
        responses: the scores.
        recipe: how weights are fitted.
    """

    reward: LowRankReward
    responses: Responses
    recipe: FewShot


def prepare(
    folder: Path,
    reward: LowRankReward,
    responses: Responses,
    recipe: FewShot,
    found: Sequence[Partition],
) -> None:
    """Write what is shared, or see that it is there already and the same.

    Raises:
        ValueError: the folder belongs to another reward, recipe, responses or pairs.
    """
    manifest.claim(folder, manifest.of(reward, responses, recipe, found))
    if not (folder / SCORES).exists():
        write_scores(folder / SCORES, reward, responses.embeddings)
    if not (folder / ON_SCORES).exists():
        identity = torch.eye(reward.rank, dtype=reward.basis.dtype)
        LowRankReward(identity, reward.logits).save(folder / ON_SCORES)


def write_scores(path: Path, reward: LowRankReward, embeddings: Tensor) -> None:
    """S of centred embeddings, a few rows at a time.

    Raises:
        ValueError: embeddings of another width, or scores over- or underflow.
    """
    shape = len(embeddings), reward.rank
    with files.whole(path) as unfinished:
        kind = reward.basis.numpy().dtype
        table = np.lib.format.open_memmap(unfinished, "w+", dtype=kind, shape=shape)
        sums = (rows.sum(0, dtype=torch.float64) for rows in row_blocks(embeddings))
        first, mean = 0, sum(sums) / max(1, len(embeddings))
        for rows in row_blocks(embeddings):
            scores = reward.basis_scores((rows - mean).to(embeddings.dtype))
            if not scores.any():
                reward.check_not_lost(rows - mean)
            table[first : first + len(rows)] = scores.numpy()
            first += len(rows)
        table.flush()


@lru_cache(maxsize=1)
def opened(folder: Path, stamp: str) -> Shared:
    """What `prepare` left; a worker opens it once.

    Args:
        folder: of the answers.
        stamp: SHA-256 of the manifest, so that another run in the same place is not this one.
    """
    table = np.load(folder / SCORES, mmap_mode="c")  # pages that all workers of a machine share
    scores = torch.from_numpy(table)
    prompt = torch.zeros(len(scores), dtype=torch.long)
    recipe = FewShot(**manifest.read(folder, stamp)["recipe"])
    return Shared(LowRankReward.load(folder / ON_SCORES), Responses(scores, prompt), recipe)
