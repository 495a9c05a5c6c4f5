"""How sure are we? Users are drawn again with replacement, and the mean is taken again.

Source: Efron (1979), percentile intervals.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from lore_core.tools import checks, draws


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
    found = resampled((values,), mean, generator, level, repeats)
    return Interval(float(values.mean()), found.low, found.high)


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
    found = resampled((gaps,), mean, generator, level, repeats)
    far = min(int((found.values <= 0).sum()), int((found.values >= 0).sum()))
    p = min(1.0, 2 * max(far, 1) / repeats)
    return Lead(mean=float(gaps.mean()), low=found.low, high=found.high, p=p)


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
    known = ~(part.isnan() | whole.isnan())
    part, whole = part[known], whole[known]
    if len(whole) and not whole.mean() > 0:
        raise ValueError(f"the whole is {float(whole.mean())} on average, expected more than 0")
    found = resampled((part, whole), ratio, generator, level, repeats)
    if np.isnan(found.values).any():
        raise ValueError(
            f"the whole is {float(whole.mean()):.3g} on average, but not above 0 in every "
            "resample: too little, or too few users, for a share of it"
        )
    return Interval(float(part.mean() / whole.mean()), found.low, found.high)


class Resampled(NamedTuple):
    """A statistic of all resamples, and the two percentiles."""

    values: np.ndarray
    low: float
    high: float


def resampled(
    samples: tuple[Tensor, ...],
    statistic: Callable[..., np.ndarray],
    generator: torch.Generator,
    level: float,
    repeats: int,
) -> Resampled:
    """The statistic over users drawn again with replacement, the same users in every sample."""
    check_request(len(samples[0]), generator, level, repeats)
    data = [sample.numpy() for sample in samples]
    if len(data[0]) == 1:  # SciPy asks for two; one user is the only resample of one user
        only = float(statistic(*data, axis=0))
        return Resampled(np.full(repeats, only), only, only)
    with warnings.catch_warnings():  # of NaN, which `share` looks for itself
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)
        found = scipy.stats.bootstrap(
            data,
            statistic,
            n_resamples=repeats,
            confidence_level=level,
            method="percentile",
            paired=True,
            rng=draws.numpy_generator(generator),
        )
    low, high = found.confidence_interval
    return Resampled(found.bootstrap_distribution, float(low), float(high))


def check_request(n_users: int, generator: torch.Generator, level: float, repeats: int) -> None:
    """Say what is wrong with the arguments before anything is drawn."""
    checks.instance_of("generator", generator, torch.Generator)
    checks.whole_number("repeats", repeats, at_least=1)
    if not 0 < checks.number("level", level) < 1:
        raise ValueError(f"level is {level}, expected a share between 0 and 1, such as 0.95")
    if n_users == 0:
        raise ValueError("no user has a pair, so there is nothing to average")


def mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean over users."""
    return values.mean(axis=axis)


def ratio(part: np.ndarray, whole: np.ndarray, axis: int) -> np.ndarray:
    """Mean of the part over mean of the whole; NaN where the whole is not above 0."""
    below = whole.mean(axis=axis)
    return np.divide(part.mean(axis=axis), below, out=np.full_like(below, np.nan), where=below > 0)
