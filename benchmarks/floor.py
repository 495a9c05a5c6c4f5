"""One gradient on random numbers, and what this machine needs to read the rows twice.

    python -m benchmarks.floor USERS PAIRS RANK RESPONSES FEATURES

The last line is JSON.
"""

from __future__ import annotations

import json
import sys

import torch

from benchmarks import clock, worlds
from lore_core import Recipe
from lore_core.objective import Objective


def main(n_users: int, each: int, rank: int, n_responses: int, d: int) -> None:
    """Time both; only rows that some pair uses count."""
    world = worlds.World(n_responses, d, rank)
    (pairs,) = world.ask(n_users, each)
    objective = Objective.on(world.responses, pairs, Recipe())
    draw = torch.Generator().manual_seed(1)
    at = [torch.randn(n, rank, generator=draw).requires_grad_() for n in (d, n_users)]
    ours = clock.least({"ours": lambda: torch.autograd.grad(objective(*at, 0), at)})["ours"]
    found = {"ours": ours, "floor": 2 * clock.bandwidth(objective.embeddings)}
    print(json.dumps(found | {"rows": len(objective.embeddings)}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
