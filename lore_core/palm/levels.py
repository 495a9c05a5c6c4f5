"""Levels on a line: a few numbers such that every weight has one near it.

Near means: an error of at most ε' times the weight (relative), plus δ' (absolute),

    |w - v| <= ε' v + δ'                              level w covers weight v

and so the levels are dense near 0 and far apart near 1:

    u_0 = 0,   w_k = (1 + ε') u_k + δ',   u_{k+1} = (w_k + δ') / (1 - ε'),   until u reaches 1

Level w_k covers the weights from u_k to u_{k+1}. In closed form
u_k = (δ'/ε') [ρ^k - 1] with ρ = (1 + ε')/(1 - ε'), so m = ⌈log(1 + ε'/δ') / log ρ⌉ levels do.

Source: the three kinds are those of PALM (arXiv 2604.04144), Figure 2; the closed form is our
derivation.
"""

from math import ceil, log

import torch
from torch import Tensor

from lore_core.tools import checks

SLACK = 1e-9  # of rounding, where an error equals its bound


def edges(relative: float, absolute: float) -> Tensor:
    """u_0 = 0 < u_1 < ... < u_{m-1} < 1: where the cells of the combined levels begin, (m,).

    Args:
        relative: ε', in (0, 1).
        absolute: δ', above 0.

    Raises:
        ValueError: an error is out of range.
    """
    ratio, m = growth(relative), n_levels(relative, absolute)
    return absolute / relative * (ratio ** torch.arange(m, dtype=torch.float64) - 1)


def combined(relative: float, absolute: float) -> Tensor:
    """Levels w_k that cover [0, 1] with a relative and an absolute error, (m,); the last is 1.

    Args and errors as for `edges`.
    """
    return ((1 + relative) * edges(relative, absolute) + absolute).clamp(max=1)


def additive(absolute: float) -> Tensor:
    """Levels that cover [0, 1] with an absolute error alone: equal steps of 2δ'.

    Args:
        absolute: δ', above 0.
    """
    check_errors(None, absolute)
    m = max(1, ceil(1 / (2 * absolute) - SLACK))
    return ((2 * torch.arange(m, dtype=torch.float64) + 1) * absolute).clamp(max=1)


def multiplicative(relative: float, smallest: float) -> Tensor:
    """Levels with a relative error alone, from a smallest weight on. They never reach 0.

    Args:
        relative: ε', in (0, 1).
        smallest: the smallest weight that is covered, in (0, 1].
    """
    ratio = growth(relative)
    if not 0 < checks.number("smallest", smallest, above=True) <= 1:
        raise ValueError(f"smallest is {smallest!r}, expected a weight above 0 and up to 1")
    m = max(1, ceil(log(1 / smallest) / log(ratio) - SLACK))
    starts = smallest * ratio ** torch.arange(m, dtype=torch.float64)
    return ((1 + relative) * starts).clamp(max=1)


def n_levels(relative: float, absolute: float) -> int:
    """m, how many combined levels cover [0, 1]."""
    check_errors(relative, absolute)
    return max(1, ceil(log(1 + relative / absolute) / log(growth(relative)) - SLACK))


def growth(relative: float) -> float:
    """ρ = (1 + ε')/(1 - ε'), the ratio between neighbouring levels where errors are relative."""
    check_errors(relative, None)
    return (1 + relative) / (1 - relative)


def check_errors(relative: float | None, absolute: float | None) -> None:
    """Raise a ValueError unless ε' lies inside (0, 1) and δ' above 0."""
    if relative is not None and checks.number("relative (ε')", relative, above=True) >= 1:
        raise ValueError(f"relative (ε') is {relative!r}, expected a share between 0 and 1")
    if absolute is not None:
        checks.number("absolute (δ')", absolute, above=True)
