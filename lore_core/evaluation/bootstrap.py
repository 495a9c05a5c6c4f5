"""How sure are we? Users are drawn again with replacement, and the mean is taken again.

Numbers of several seeds (a list, one vector per seed) are drawn at two levels, a hierarchical
bootstrap: seeds with replacement, and within each drawn seed its users. Such an interval covers
both other users and another seed. It is rough where seeds are few: from three of them the spread
over seeds is known badly, and one resample in nine draws the same seed three times. Means over few
users differ between seeds by chance alone; that part of the doubt is counted at both levels.
So a 95 % interval from three seeds is a little too wide where seeds do not matter (in simulations
it holds the truth 97 times in 100), and too narrow where they matter more than users do (84 times
where the spread over seeds is twice the standard error of a seed's mean, 74 times where it is ten
times that). Read it beside the spread over seeds.

Source: Efron (1979), percentile intervals; Davison and Hinkley (1997), section 3.8, two levels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from lore_core.evaluation.resampling import Columns, Users, paired, per_seed, resampled


class Interval(NamedTuple):
    """A mean with the bounds of its interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Lead(NamedTuple):
    """A mean difference with its interval, and how often resampling turns its sign."""

    mean: float
    low: float
    high: float
    p: float


def bootstrap(
    values: Users, generator: torch.Generator, level: float = 0.95, repeats: int = 1000
) -> Interval:
    """Mean over users with a percentile interval, users drawn again with replacement.

    Args:
        values: (N,) one number per user; NaN (a user without pairs) is left out. Or a list of such
            vectors, one per seed, not all of one length.
        generator: source of the draws.
        level: share of the resampled means inside the interval.
        repeats: number of resamples.

    Returns:
        The mean (over seeds of the means over users), and the two bounds.

    Raises:
        ValueError: no user of a seed has a number.

    Source: Efron (1979), percentile interval.
    """
    seeds = [(some[~some.isnan()],) for some in per_seed("values", values)]
    found = resampled(seeds, mean, generator, level, repeats)
    return Interval(overall(seeds, 0), found.low, found.high)


def lead(
    one: Users,
    other: Users,
    generator: torch.Generator,
    level: float = 0.95,
    repeats: int = 1000,
) -> Lead:
    """By how much `one` is ahead of `other`, for the same users: a paired bootstrap.

    Args:
        one, other: (N,) a number per user under two methods; a user with a NaN is left out. Or
            lists of such vectors, one per seed; both sides draw the same seeds and users.
        generator: source of the draws.
        level: share of the resampled means inside the interval.
        repeats: number of resamples.

    Returns:
        The mean difference, its bounds, and the two-sided p: twice the share of resampled means on
        the far side of zero, at least 2 / repeats.

    Raises:
        ValueError: no user of a seed has both numbers.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap.
    """
    seeds = [(a - b,) for a, b in paired(("one", "other"), one, other)]
    found = resampled(seeds, mean, generator, level, repeats)
    far = min(int((found.values <= 0).sum()), int((found.values >= 0).sum()))
    p = min(1.0, 2 * max(far, 1) / repeats)
    return Lead(mean=overall(seeds, 0), low=found.low, high=found.high, p=p)


def share(
    part: Users,
    whole: Users,
    generator: torch.Generator,
    level: float = 0.95,
    repeats: int = 1000,
) -> Interval:
    """Mean of `part` over mean of `whole`, users drawn again with replacement.

    Args:
        part, whole: (N,) two numbers of each user, or lists of such vectors, one per seed.
        generator, level, repeats: as in `bootstrap`.

    Returns:
        The ratio of the means, and its bounds.

    Raises:
        ValueError: the mean of `whole` is not above 0, in all users or in a resample of them.
    """
    seeds = paired(("part", "whole"), part, whole)
    below = overall(seeds, 1)
    if below <= 0:
        raise ValueError(f"the whole is {below} on average, expected more than 0")
    found = resampled(seeds, ratio, generator, level, repeats)
    if np.isnan(found.values).any():
        raise ValueError(
            f"the whole is {below:.3g} on average, but not above 0 in every "
            "resample: too little, or too few users, for a share of it"
        )
    return Interval(overall(seeds, 0) / below, found.low, found.high)


def overall(seeds: Sequence[Columns], column: int) -> float:
    """The mean over seeds of a column's means over users."""
    return float(torch.stack([columns[column].mean() for columns in seeds]).mean())


def mean(values: np.ndarray) -> np.ndarray:
    """The mean itself, of every resample."""
    return values


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Mean of the part over mean of the whole; NaN where the whole is not above 0."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)
