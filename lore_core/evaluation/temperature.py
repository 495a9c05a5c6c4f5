"""At which temperature do a reward's margins say how sure people are?

    τ = argmin Σ_b log(1 + exp(-m_b / τ))        m_b = r_u(chosen_b) - r_u(rejected_b)

A reward that was fitted to answers of one kind says too much or too little about answers of another
kind: noisier ones, or about closer pairs. One number sets that right.

Shapes: B pairs.

Source: temperature scaling, Guo et al. (2017, arXiv 1706.04599).
"""

import math

import torch
from torch import Tensor

from lore_core.tools import checks

LIMIT = 1e4  # τ lies between its inverse and this


def best_temperature(margins: Tensor) -> float:
    """The τ that explains the answers best.

    Args:
        margins: (B,) of chosen over rejected, of pairs that the reward was not fitted to.

    Returns:
        τ, at least 1 / `LIMIT` (all pairs are ranked right), at most `LIMIT` (they say nothing).

    Raises:
        ValueError: there are no margins, or one is not a number.
    """
    margins = checks.finite("margins", checks.tensor("margins", margins), "drop these pairs")
    if margins.ndim != 1 or len(margins) == 0:
        raise ValueError(f"margins have shape {tuple(margins.shape)}, expected (B,), at least one")
    low, high = -math.log(LIMIT), math.log(LIMIT)
    for _ in range(50):  # the slope of a convex function rises through zero once
        middle = (low + high) / 2
        low, high = (low, middle) if rises(margins.double(), math.exp(middle)) else (middle, high)
    return math.exp(-middle)


def rises(margins: Tensor, sharpness: float) -> bool:
    """Whether the loss gets larger with a larger 1 / τ."""
    return bool((margins * torch.sigmoid(-margins * sharpness)).sum() < 0)
