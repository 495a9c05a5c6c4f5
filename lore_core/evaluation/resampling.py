"""Drawing again with replacement: seeds first, and within each drawn seed its users.

Two levels, because a result varies for two reasons: other users, and another seed (other draws of
users, pairs and prompts, another training). With one seed this is the bootstrap over its users.

Shapes: S seeds, k columns of numbers per user.

Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lore_core.tools import checks, draws

Users = Tensor | Sequence[Tensor]  # one number per user: of one seed, or of each seed
Columns = tuple[Tensor, ...]  # numbers of the same users


class Resampled(NamedTuple):
    """A statistic of all resamples, and the two percentiles."""

    values: np.ndarray
    low: float
    high: float


def resampled(
    seeds: Sequence[Columns],
    statistic: Callable[..., np.ndarray],
    generator: torch.Generator,
    level: float,
    repeats: int,
) -> Resampled:
    """The statistic of means over seeds of means over users, both drawn again with replacement.

    Args:
        seeds: S times k columns; within a seed the same users are drawn in every column.
        statistic: of k means.
        generator: source of the draws.
        level: share of the resamples between the percentiles.
        repeats: number of resamples.
    """
    check_request(seeds, generator, level, repeats)
    rng = draws.numpy_generator(generator)
    places = repeats, len(seeds)
    means = np.stack([means_again(columns, places, rng) for columns in seeds])
    drawn = rng.integers(len(seeds), size=(1, 1, *places))
    values = statistic(*np.take_along_axis(means, drawn, axis=0)[0].mean(-1))
    import scipy.stats  # 600 modules, half a second: not for those who only name an Interval

    outside = (1 - level) / 2
    low, high = scipy.stats.quantile(values, np.array([outside, 1 - outside]))
    return Resampled(values, float(low), float(high))


def means_again(columns: Columns, places: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Means (k, repeats, S) over users of one seed, drawn anew for each place that it may take."""
    data = [column.numpy() for column in columns]
    if len(data[0]) == 1:  # SciPy asks for two; one user is the only resample of one user
        return np.tile(np.array(data)[..., None], (1, *places))
    import scipy.stats  # see above

    found = scipy.stats.bootstrap(
        data,
        means,
        n_resamples=places[0] * places[1],
        method="percentile",
        paired=True,
        rng=rng,
    )
    return found.bootstrap_distribution.reshape(-1, *places)


def means(*columns: np.ndarray, axis: int) -> np.ndarray:
    """The mean of each column over users."""
    return np.stack([column.mean(axis=axis) for column in columns])


def per_seed(name: str, values: Users) -> list[Tensor]:
    """One vector of numbers per seed; a single vector is one seed."""
    if isinstance(values, list | tuple) and values and np.ndim(values[0]):
        return [checks.vector(f"{name}[{seed}]", some) for seed, some in enumerate(values)]
    return [checks.vector(name, values)]


def paired(names: tuple[str, str], one: Users, other: Users) -> list[Columns]:
    """Of each seed two columns of the same users: those who have both numbers.

    Raises:
        ValueError: the two are of other seeds, or of other users.
    """
    left, right = per_seed(names[0], one), per_seed(names[1], other)
    if len(left) != len(right):
        raise ValueError(
            f"{names[0]} is of {len(left)} seeds but {names[1]} of {len(right)}; give both the "
            "same seeds"
        )
    return [both_known(names, *columns) for columns in zip(left, right, strict=True)]


def both_known(names: tuple[str, str], one: Tensor, other: Tensor) -> Columns:
    """Both numbers of the users who have both."""
    checks.same_length(names[0], one, names[1], other)
    known = ~(one.isnan() | other.isnan())
    return one[known], other[known]


def check_request(
    seeds: Sequence[Columns], generator: torch.Generator, level: float, repeats: int
) -> None:
    """Say what is wrong with the arguments before anything is drawn."""
    checks.instance_of("generator", generator, torch.Generator)
    checks.whole_number("repeats", repeats, at_least=1)
    if not 0 < checks.number("level", level) < 1:
        raise ValueError(f"level is {level}, expected a share between 0 and 1, such as 0.95")
    if not all(len(columns[0]) for columns in seeds):
        raise ValueError("no user has a pair, so there is nothing to average")
