"""Ten million new users in bounded memory: drawn, adapted and judged, partition by partition.

python benchmarks/adapt_many.py --users 10000000 --partitions 100 --out build/adapt

Every user has planted weights over the same random scores and answers pairs with the noise of
Bradley and Terry. No step holds more than one partition. Stop it when you like: the same command
goes on. What is asked at the end: do the found weights rank further pairs as the planted ones do?
"""

from __future__ import annotations

import argparse
import resource
import sys
from pathlib import Path
from time import monotonic

import numpy as np
import pyarrow
import torch
from pyarrow import parquet
from tqdm import tqdm

from lore_core import LowRankReward, Responses
from lore_core.adapt.users import adapt_users
from lore_core.recipes import FewShot
from lore_core.tools import draws, files

RESPONSES, FEATURES, RANK = 6440, 32, 5
SEEN = 1000  # users of the reward
CONCENTRATION = 0.3  # of the Dirichlet distribution that all users are drawn from
SHARPNESS = 2.0  # of choices: standard deviation of the margin of a user with equal weights
FURTHER = 9  # pairs of each user that nobody has learned from
BLOCK = 100_000  # users that are drawn at once


def world(seed: int) -> tuple[LowRankReward, Responses]:
    """A reward with planted basis and seen users, and random responses."""
    source = draws.generator(seed)
    embeddings = draws.normal(source, RESPONSES, FEATURES).float()
    basis = draws.normal(source, FEATURES, RANK).float()
    basis *= SHARPNESS * (RANK / 2) ** 0.5 / basis.norm(dim=0)
    seen = draws.dirichlet(source, torch.full((SEEN, RANK), CONCENTRATION)).float()
    prompt = torch.arange(RESPONSES) // 4
    return LowRankReward.from_weights(basis, seen), Responses(embeddings, prompt)


class Planted:
    """Some users with their weights and their pairs, the same each time they are drawn.

    Args:
        scores: S, (M, K).
        first: of the users.
        n: users.
        seed: of everything.
    """

    def __init__(self, scores: np.ndarray, first: int, n: int, seed: int) -> None:
        self.scores, self.first, self.n = scores, first, n
        self.draw = np.random.default_rng((seed, first))
        gamma = self.draw.standard_gamma(CONCENTRATION, (n, RANK)).clip(1e-12)
        self.weights = gamma / gamma.sum(1, keepdims=True)

    def pairs(self, each: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of random pairs, (n, each) twice; the planted weights choose with noise."""
        one = self.draw.integers(0, RESPONSES, (self.n, each), dtype=np.int32)
        other = (one + self.draw.integers(1, RESPONSES, one.shape, dtype=np.int32)) % RESPONSES
        first = self.draw.random(one.shape) < 1 / (1 + np.exp(-self.margins(one, other)))
        return np.where(first, one, other), np.where(first, other, one)

    def margins(
        self, one: np.ndarray, other: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """By how much weights, or the planted ones, put one above the other, (n, each)."""
        weights = self.weights if weights is None else weights
        return np.einsum("nek,nk->ne", self.scores[one] - self.scores[other], weights)


def blocks(users: range) -> list[tuple[int, int]]:
    """Where users are cut, so that no more than BLOCK are drawn at once."""
    starts = range(users.start, users.stop, BLOCK)
    return [(start, min(BLOCK, users.stop - start)) for start in starts]


def draw(path: Path, scores: np.ndarray, users: range, each: int, seed: int) -> None:
    """Write a partition: user, chosen, rejected."""
    kinds = {"user": pyarrow.int64(), "chosen": pyarrow.int32(), "rejected": pyarrow.int32()}
    schema = pyarrow.schema(list(kinds.items()))
    with files.whole(path) as unfinished, parquet.ParquetWriter(unfinished, schema) as writer:
        for first, n in blocks(users):
            chosen, rejected = Planted(scores, first, n, seed).pairs(each)
            user = np.repeat(np.arange(first, first + n), each)
            columns = {"user": user, "chosen": chosen.ravel(), "rejected": rejected.ravel()}
            writer.write_table(pyarrow.table(columns, schema=schema))


def judged(
    path: Path, scores: np.ndarray, users: range, each: int, seed: int, crowd: np.ndarray
) -> np.ndarray:
    """Of FURTHER new pairs a user: how many found weights, and the crowd's, rank as planted."""
    table, wins = parquet.read_table(path), np.zeros(2)
    if table.column("user").to_numpy().tolist() != list(users):
        raise ValueError(f"{path} does not hold each of its users once; expected {users}")
    found = np.stack([table.column(f"w_{k + 1}").to_numpy() for k in range(RANK)], 1)
    for first, n in blocks(users):
        planted = Planted(scores, first, n, seed)
        planted.pairs(each)  # those learned from come first
        one, other = planted.pairs(FURTHER)
        truth = planted.margins(one, other) > 0
        mine = found[first - users.start :][:n]
        for which, weights in enumerate((mine, np.broadcast_to(crowd, mine.shape))):
            wins[which] += ((planted.margins(one, other, weights) > 0) == truth).sum()
    return wins


def peak(who: int) -> float:
    """The largest memory of a process, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(who).ru_maxrss / unit


def main() -> None:
    """Draw, adapt, judge, tell."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--users", type=int, default=10_000_000)
    words.add_argument("--partitions", type=int, default=100)
    words.add_argument("--out", type=Path, default=Path("build/adapt"))
    words.add_argument("--pairs", type=int, default=9, help="of each user")
    words.add_argument("--workers", type=int, default=1)
    words.add_argument("--cluster", help="address of a Dask scheduler")
    words.add_argument("--centre", default="posterior", help="posterior or crowd")
    words.add_argument("--seed", type=int, default=0)
    given = words.parse_args()
    reward, responses = world(given.seed)
    scores = reward.basis_scores(responses.embeddings).numpy()
    cuts = np.linspace(0, given.users, given.partitions + 1).astype(int).tolist()
    parts = [range(*pair) for pair in zip(cuts[:-1], cuts[1:], strict=True)]
    name = f"{given.users}-{given.pairs}-{given.partitions}-{given.seed}"
    pairs, out = given.out / f"pairs-{name}", given.out / f"out-{name}-{given.centre}"
    start = monotonic()
    paths = [pairs / f"part-{part:05d}.parquet" for part in range(len(parts))]
    for path, users in tqdm(list(zip(paths, parts, strict=True)), desc="draw"):
        if not path.exists():
            draw(path, scores, users, given.pairs, given.seed)
    print(f"drawn in {monotonic() - start:,.0f} s, peak {peak(resource.RUSAGE_SELF):,.0f} MiB")
    recipe = FewShot(centre=given.centre)
    done = adapt_users(
        reward, responses, pairs, out, recipe, workers=given.workers, cluster=given.cluster
    )
    speed = f"{done.fresh / done.seconds:,.0f} users per second" if done.fresh else "nothing to do"
    print(f"{done.fresh:,} of {done.users:,} users adapted in {done.seconds:,.0f} s: {speed}")
    print(
        f"peak memory: this process {peak(resource.RUSAGE_SELF):,.0f} MiB, the largest of its "
        f"children {peak(resource.RUSAGE_CHILDREN):,.0f} MiB"
    )
    crowd, wins = reward.crowd_weights.numpy(), np.zeros(2)
    for path, users in tqdm(list(zip(paths, parts, strict=True)), desc="judge"):
        wins += judged(done.weights / path.name, scores, users, given.pairs, given.seed, crowd)
    mine, all_alike = wins / (FURTHER * given.users)
    print(f"{done.users:,} users, each once; further pairs as the planted weights have them:")
    print(f"adapted {mine:.4f}, the crowd's mean weights {all_alike:.4f}")


if __name__ == "__main__":
    main()
