"""Settings drawn at random, of which validation items choose one, as PerFit's authors do.

For the tail, where the layer and the tokens are given. What is not drawn is as in `Recipe()`.

Source: PerFit (ICLR 2026), which reports 20 random trials for each task.
"""

from __future__ import annotations

from dataclasses import replace

from lore_core.perfit.recipe import PERSONAL, SHARED, Recipe
from lore_core.tools import checks, draws

N_TRIALS = 20
BEST = {"rating": 10, "tag": 11}  # of all, by the errors in figures/trials.csv
SHARED_RANKS = (2, 4, 8, 16)
USER_RANKS = (1, 2, 3, 4, 5, 8)
SHARED_RATES = (1e-4, 1e-2)  # the smallest and the largest, even in the logarithm; and so below
USER_RATES = (3e-3, 0.3)
SHRINKS = (20.0, 400.0)


def drawn(trial: int) -> Recipe:
    """The settings of one trial, the same whenever it is asked.

    Args:
        trial: its number, which is its seed.
    """
    generator = draws.generator(checks.whole_number("trial", trial, at_least=0))
    place = draws.uniform(generator, 5).tolist()
    shared = replace(
        SHARED, rank=one_of(SHARED_RANKS, place[0]), learning_rate=between(SHARED_RATES, place[1])
    )
    personal = replace(
        PERSONAL,
        rank=one_of(USER_RANKS, place[2]),
        learning_rate=between(USER_RATES, place[3]),
        shrink=between(SHRINKS, place[4]),
    )
    return replace(Recipe(), shared=shared, personal=personal)


def one_of(values: tuple[int, ...], place: float) -> int:
    """The value at a place from 0 to 1."""
    return values[int(place * len(values))]


def between(ends: tuple[float, float], place: float) -> float:
    """The number at a place from 0 to 1 between two, in their logarithm, to three digits."""
    low, high = ends
    return float(f"{low * (high / low) ** place:.3g}")
