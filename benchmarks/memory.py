"""The most memory that a fit needs beside its data, in a process of its own.

    python -m benchmarks.memory published 1000 47 5 6440 384
    python -m benchmarks.memory ours 1000 47 5 6440 384

These are users, pairs of each, K, responses and features; all are random numbers. The published
procedure takes two steps, which is all that it ever holds; ours goes to its end. The last line is
JSON.
"""

from __future__ import annotations

import json
import sys

from benchmarks import clock, worlds
from benchmarks.published import Training, differences
from lore_core import Preferences, Responses, fit_basis


def published(responses: Responses, pairs: Preferences, rank: int) -> None:
    """A vector for each pair, and two steps: Adam has its own tables from the first one on."""
    training = Training(differences(responses, pairs), rank)
    for _ in range(2):
        training.step()


def ours(responses: Responses, pairs: Preferences, rank: int) -> None:
    """The default fit."""
    fit_basis(responses, pairs, rank)


WAYS = {"published": published, "ours": ours}


def main(way: str, n_users: int, each: int, rank: int, n_responses: int, d: int) -> None:
    """Warm up on a few users, since code takes memory, too; then measure."""
    small = worlds.World(100, d, rank)
    WAYS[way](small.responses, *small.ask(10, each), rank)
    world = worlds.World(n_responses, d, rank)
    (pairs,) = world.ask(n_users, each)
    print(json.dumps({"bytes": clock.peak_above(lambda: WAYS[way](world.responses, pairs, rank))}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
