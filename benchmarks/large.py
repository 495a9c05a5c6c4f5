"""One large fit, in a process of its own: seconds and the most memory held.

    python -m benchmarks.large USERS PAIRS RANK RESPONSES FEATURES [TESTS]
    python -m benchmarks.large 1000000 47 8 6440 384        a million users, 47 million pairs

Embeddings and pairs are random numbers. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from benchmarks import clock, worlds
from lore_core import Recipe, accuracy, fit_basis, fit_weights
from lore_core.objective import Objective

SHOTS = 9  # pairs of each new user, who are a hundredth as many
HELD_OUT = 5  # further pairs of each user for early stopping, and as many for the score


@contextmanager
def counted() -> Iterator[list[int]]:
    """A list that gets an entry whenever an objective is computed with its gradient."""
    plain, seen = Objective.__call__, []

    def call(self: Objective, basis: Tensor, logits: Tensor, step: int) -> Tensor:
        seen.append(step)
        return plain(self, basis, logits, step)

    Objective.__call__ = call  # type: ignore[method-assign]
    yield seen
    Objective.__call__ = plain  # type: ignore[method-assign]


def main(
    n_users: int, each: int, rank: int, n_responses: int, d: int, tests_each: int = HELD_OUT
) -> None:
    """Fit to the end of the default recipe; adapt new users; score both."""
    world = worlds.World(n_responses, d, rank)
    train, held, scored = world.ask(n_users, each, HELD_OUT, tests_each)
    drawn = clock.peak_bytes()
    with counted() as gradients:
        seconds, fit = clock.seconds(
            lambda: fit_basis(world.responses, train, rank, Recipe(), validation=held)
        )
    fitted = clock.peak_bytes()
    shots, tests = world.ask(max(1, n_users // 100), SHOTS, HELD_OUT)
    adapting, weights = clock.seconds(lambda: fit_weights(fit.reward, world.responses, shots))
    found = {
        "users": n_users,
        "pairs": len(train),
        "d": d,
        "rank": rank,
        "seconds": seconds,
        "steps": len(fit.losses) - 1,
        "gradients": len(gradients),
        "data bytes": drawn,
        "fitted bytes": fitted,
        "seen": float(accuracy(fit.reward, world.responses, scored).mean()),
        "new users": shots.n_users,
        "adapting": adapting,
        "new": float(accuracy(fit.reward, world.responses, tests, weights).mean()),
    }
    print(json.dumps(found | {"peak bytes": clock.peak_bytes()}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
