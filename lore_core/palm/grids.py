"""Grids on the simplex: finitely many weights such that everybody has one near them.

    |w_i - v_i| <= ε' v_i + δ'    for all i              grid weight w covers weights v

Levels are put on K - 1 coordinates, the last one gets the rest, and each coordinate is the last
one once. The rest's error is the sum of the others' errors, so it is not covered by itself:
`paper_grid` leaves gaps. `covering_grid` has none: every v has a coordinate of at least 1/K. Let
it be the last, and give the others the errors ε'' = ε'/(K-1) and δ'' = δ'/(K-1). Then the rest's
error is at most ε'' (1 - v_last) + (K-1) δ'' <= ε' v_last + δ', since
(1 - v_last)/(K-1) <= 1/K <= v_last.

Shapes: G grid weights, U users, K rewards.

Source: PALM (arXiv 2604.04144), Figure 1; that `covering_grid` covers is our derivation.
"""

import numpy as np
import torch
from torch import Tensor

from lore_core.palm.levels import SLACK, check_errors, combined, edges
from lore_core.tools import checks

LIMIT = 200_000  # grid weights
DIGITS = 12  # weights that agree to so many are the same


def paper_grid(n_rewards: int, relative: float, absolute: float, limit: int = LIMIT) -> Tensor:
    """Combined levels on K - 1 coordinates, the rest on the last, (G, K). It leaves gaps.

    Args:
        n_rewards: K, at least 2.
        relative, absolute: ε' in (0, 1) and δ' above 0, of each level.
        limit: more grid weights than this are not made.

    Raises:
        ValueError: an error is out of range, or the grid would be larger than `limit`.

    Source: PALM (arXiv 2604.04144), Figure 1, which has 48 for K = 3, ε' = 2/5 and δ' = 1/80; by
        the construction as we understand it there are 45.
    """
    checks.whole_number("n_rewards", n_rewards, at_least=2)
    return simplex_grid(combined(relative, absolute), n_rewards, limit)


def covering_grid(n_rewards: int, relative: float, absolute: float, limit: int = LIMIT) -> Tensor:
    """A grid that covers every point of the simplex, (G, K).

    Args and errors as for `paper_grid`, and δ' may be at most (1 - ε')/K, or the rest would be
    negative for some weights.
    """
    levels = combined(*errors_of_others(n_rewards, relative, absolute))
    return simplex_grid(levels, n_rewards, limit)


def simplex_grid(levels: Tensor, n_rewards: int, limit: int = LIMIT) -> Tensor:
    """Weights with levels on all coordinates but one, which gets the rest, (G, K), without doubles.

    Args:
        levels: (m,) from 0 to 1.
        n_rewards: K, at least 2.
        limit: more grid weights than this are not made.
    """
    check_size(levels, n_rewards, limit)
    tuples = levels.new_zeros(1, 0)
    for _ in range(n_rewards - 1):
        longer = torch.cat(
            [tuples.repeat_interleave(len(levels), 0), levels.repeat(len(tuples))[:, None]], 1
        )
        tuples = longer[longer.sum(1) <= 1 + SLACK]
    rest = (1 - tuples.sum(1, keepdim=True)).clamp(min=0)
    points = [torch.cat([tuples[:, :k], rest, tuples[:, k:]], 1) for k in range(n_rewards)]
    return distinct(torch.cat(points))


def distinct(points: Tensor) -> Tensor:
    """Each of the points once, in the order of their coordinates; rows sum to one."""
    _, first = np.unique(points.numpy().round(DIGITS), axis=0, return_index=True)
    found = points[torch.from_numpy(first)]
    return found / found.sum(1, keepdim=True)


def n_points(levels: Tensor, n_rewards: int) -> int:
    """How many grid weights `simplex_grid` makes at most: before doubles are taken out."""
    sums: np.ndarray = np.zeros(1)
    ways: np.ndarray = np.ones(1)
    for _ in range(n_rewards - 1):
        longer = np.add.outer(sums, levels.numpy()).round(DIGITS)
        inside = longer <= 1 + SLACK
        several = np.broadcast_to(ways[:, None], longer.shape)[inside]
        sums, place = np.unique(longer[inside], return_inverse=True)
        ways = np.bincount(place, several)
    return int(n_rewards * ways.sum())


def check_size(levels: Tensor, n_rewards: int, limit: int) -> None:
    """Raise a ValueError if the grid would be too large, before any of it is made."""
    n, limit = n_points(levels, n_rewards), checks.whole_number("limit", limit, at_least=1)
    if n > limit:
        raise ValueError(
            f"the grid would have {n:,} weights for {n_rewards} rewards, above limit={limit:,}; "
            "take a larger relative error (ε'), paper_grid, which leaves gaps, or lazy_grid, which "
            "covers a given crowd only"
        )


def lazy_grid(users: Tensor, relative: float, absolute: float) -> Tensor:
    """Only the weights of a `covering_grid` that cover a given crowd, (G, K); for many rewards.

    Each user is rounded to the grid: the largest weight becomes the last coordinate, the others go
    to their levels. Never more weights than users, so it needs no limit.

    Args:
        users: (U, K) rows on the simplex.
        relative, absolute: as for `covering_grid`.
    """
    users = checks.simplex_rows("users", users).double()
    checks.whole_number("number of users", len(users), at_least=1)
    own, rest_of = errors_of_others(users.shape[1], relative, absolute)
    cell = torch.searchsorted(edges(own, rest_of), users.contiguous(), right=True) - 1
    rounded = combined(own, rest_of)[cell]
    last = users.argmax(1, keepdim=True)
    rounded = rounded.scatter(1, last, 0.0)
    return distinct(rounded.scatter(1, last, 1 - rounded.sum(1, keepdim=True)))


def errors_of_others(n_rewards: int, relative: float, absolute: float) -> tuple[float, float]:
    """ε'' and δ'': what the K - 1 levelled coordinates may err, so that the rest is covered too.

    Raises:
        ValueError: an error is out of range, or so large that a rest could be negative.
    """
    others = checks.whole_number("n_rewards", n_rewards, at_least=2) - 1
    check_errors(relative, absolute)
    largest = (1 - relative) / n_rewards
    if absolute > largest:
        raise ValueError(
            f"absolute (δ') is {absolute!r}, expected at most (1 - ε')/K = {largest:.3g} for "
            f"{n_rewards} rewards"
        )
    return relative / others, absolute / others
