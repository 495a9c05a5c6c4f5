"""How sure are we? Users are drawn again with replacement, and the mean is taken again.

Source: Efron (1979), percentile intervals.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from lore_core.tools import checks


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
    values: Tensor, generator: torch.Generator, level: float = 0.95, repeats: int = 1000
) -> Interval:
    """Mean over users with a percentile interval, users drawn again with replacement.

    Args:
        values: (N,) one number per user; NaN (a user without pairs) is left out.
        generator: source of the draws.
        level: share of the resampled means inside the interval.
        repeats: number of resamples.

    Returns:
        The mean, and the two bounds.

    Raises:
        ValueError: no user has a number.

    Source: Efron (1979), percentile interval.
    """
    values = checks.vector("values", values)
    values = values[~values.isnan()]
    low, high = percentiles(resampled(values, generator, repeats), level)
    return Interval(float(values.mean()), low, high)


def lead(
    one: Tensor,
    other: Tensor,
    generator: torch.Generator,
    level: float = 0.95,
    repeats: int = 1000,
) -> Lead:
    """By how much `one` is ahead of `other`, for the same users: a paired bootstrap.

    Args:
        one, other: (N,) a number per user under two methods; a user with a NaN is left out.
        generator: source of the draws.
        level: share of the resampled means inside the interval.
        repeats: number of resamples.

    Returns:
        The mean difference, its bounds, and the two-sided p: twice the share of resampled means on
        the far side of zero, at least 2 / repeats.

    Raises:
        ValueError: no user has both numbers.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap.
    """
    one, other = checks.vector("one", one), checks.vector("other", other)
    checks.same_length("one", one, "other", other)
    gaps = (one - other)[~(one - other).isnan()]
    means = resampled(gaps, generator, repeats)
    far = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return Lead(float(gaps.mean()), *percentiles(means, level), min(1.0, 2 * max(far, 1) / repeats))


def share(
    part: Tensor,
    whole: Tensor,
    generator: torch.Generator,
    level: float = 0.95,
    repeats: int = 1000,
) -> Interval:
    """Mean of `part` over mean of `whole`, users drawn again with replacement.

    Args:
        part, whole: (N,) two numbers of each user.
        generator, level, repeats: as in `bootstrap`.

    Returns:
        The ratio of the means, and its bounds.

    Raises:
        ValueError: the mean of `whole` is not above 0, in all users or in a resample of them.
    """
    part, whole = checks.vector("part", part), checks.vector("whole", whole)
    checks.same_length("part", part, "whole", whole)
    both = torch.stack([part, whole], 1)
    both = both[~both.isnan().any(1)]
    top, bottom = both.mean(0)
    if not bottom > 0:
        raise ValueError(f"the whole is {float(bottom)} on average, expected more than 0")
    tops, bottoms = resampled(both, generator, repeats).unbind(1)
    if not (bottoms > 0).all():
        raise ValueError(
            f"the whole is {float(bottom):.3g} on average, but not above 0 in every resample: too "
            "little, or too few users, for a share of it"
        )
    return Interval(float(top / bottom), *percentiles(tops / bottoms, level))


def resampled(values: Tensor, generator: torch.Generator, repeats: int) -> Tensor:
    """Means over users drawn again with replacement, (repeats,)."""
    checks.kind("generator", generator, torch.Generator)
    checks.whole_number("repeats", repeats, at_least=1)
    if len(values) == 0:
        raise ValueError("no user has a pair, so there is nothing to average")
    return values[torch.randint(len(values), (repeats, len(values)), generator=generator)].mean(1)


def percentiles(draws: Tensor, level: float) -> tuple[float, float]:
    """The bounds between which the share `level` of the draws lies."""
    if not 0 < checks.number("level", level) < 1:
        raise ValueError(f"level is {level}, expected a share between 0 and 1, such as 0.95")
    tail = (1 - level) / 2
    low, high = draws.quantile(torch.tensor([tail, 1 - tail], dtype=draws.dtype))
    return float(low), float(high)
