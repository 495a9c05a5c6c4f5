"""The fewest policies of which everybody finds a good one: a set cover.

    gap[j, v] = max(0, f_v* - δ - f_v(π_j)) / f_v*          policy j covers user v if gap <= ε

Shapes: L policies, U users.
"""

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from torch import Tensor

from lore_core.tools import checks


def gaps(values: Tensor, optimum: Tensor, delta: float = 0.0) -> Tensor:
    """The relative gap of every policy for every user, (L, U).

    Args:
        values: (L, U) f_v(π_j), as from `policy.values`.
        optimum: (U,) f_v*, none below 0.
        delta: the absolute error δ that is forgiven.
    """
    short = (optimum - checks.number("delta", delta) - values).clamp(min=0)
    return torch.where(short > 0, short / optimum.clamp(min=torch.finfo(short.dtype).tiny), 0.0)


def greedy_cover(covers: Tensor, cost: Tensor | None = None) -> list[int]:
    """A set of rows that together cover all columns: each time the row that adds most.

    It has at most H(n) = 1 + 1/2 + ... + 1/n times as many rows as the smallest such set, with n
    the largest number of columns that one row covers.

    Args:
        covers: (L, U) bool, whether row j covers column v.
        cost: (L,) decides between rows that add equally many; the lower is taken. Default 0, then
            the first.

    Raises:
        ValueError: a column is covered by no row.

    Source: Chvátal (1979), A Greedy Heuristic for the Set-Covering Problem.
    """
    covers = check_covers(covers)
    cost = torch.zeros(len(covers)) if cost is None else checks.vector("cost", cost)
    left = torch.ones(covers.shape[1], dtype=torch.bool)
    chosen: list[int] = []
    while left.any():
        adds = (covers & left).sum(1)
        best = adds == adds.max()
        chosen.append(int(torch.where(best, cost, torch.inf).argmin()))
        left &= ~covers[chosen[-1]]
    return chosen


def exact_cover(covers: Tensor) -> list[int]:
    """A smallest set of rows that together cover all columns, by an integer programme.

    Args:
        covers: (L, U) bool; small ones, since the problem is NP-hard.

    Raises:
        ValueError: a column is covered by no row.
        RuntimeError: the solver gave up.
    """
    covers = check_covers(covers)
    if covers.shape[1] == 0:
        return []
    needed = LinearConstraint(covers.T.numpy().astype(float), lb=1)
    n = len(covers)
    found = milp(np.ones(n), constraints=needed, bounds=Bounds(0, 1), integrality=np.ones(n))
    if found.x is None:
        raise RuntimeError(f"the smallest cover was not found: {found.message}")
    return np.flatnonzero(found.x > 0.5).tolist()


def check_covers(covers: Tensor) -> Tensor:
    """The table on the CPU, or a ValueError unless every column has a row."""
    covers = checks.tensor("covers", covers).cpu()
    if covers.ndim != 2 or covers.dtype != torch.bool:
        raise ValueError(
            f"covers has shape {tuple(covers.shape)} and type {covers.dtype}, expected (L, U) bool"
        )
    nobody = (~covers.any(0)).nonzero().flatten()
    if len(nobody):
        raise ValueError(f"column {int(nobody[0])} is covered by no row; let rows cover more")
    return covers
