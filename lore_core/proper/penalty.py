"""The constraint on routes: a text should belong to one group (PROPER, stage 2).

    ω = token mean of ρ      c · Σ_{m≠n} ω_m ω_n = c (1 - Σ_m ω_m²),     summed over layers

It is least, 0, where ω is one-hot. Shapes: n texts, t tokens, M experts.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from lore_core.tools import checks


def mean_shares(shares: Tensor, counted: Tensor | None = None) -> Tensor:
    """ω of each text, (n, M).

    Args:
        shares: ρ, (n, t, M), or (n, M) of one token each.
        counted: (n, t) bool; None counts all. A text of which no token counts is left out.

    Raises:
        ValueError: `counted` has another shape.
    """
    if shares.ndim == 2:
        return shares
    if counted is None:
        return shares.mean(1)
    if counted.shape != shares.shape[:2]:
        raise ValueError(
            f"counted has shape {tuple(counted.shape)}, expected {tuple(shares.shape[:2])}: one "
            "flag for each token"
        )
    some = counted.any(1)
    weights = counted[some].to(shares)[..., None]
    return (shares[some] * weights).sum(1) / weights.sum(1)


def constraint(
    shares: Iterable[Tensor],
    counted: Tensor | None = None,
    strength: float = 1.0,
    detached: bool = True,
) -> Tensor:
    """The penalty, a scalar: the mean over texts, summed over layers.

    Args:
        shares: ρ of each layer, see `mean_shares`.
        counted: (n, t) bool.
        strength: c; published 1/96, for 96 layers.
        detached: without gradient, as published (there it is built from numbers that were taken
            out of the graph, so it shows in the logged loss and moves nothing).

    Raises:
        ValueError: `shares` is empty, or `counted` has another shape.
    """
    strength = checks.number("strength", strength)
    layers = [mean_shares(one, counted) for one in shares]
    if not layers:
        raise ValueError("shares is empty: no layer has experts, or nothing was computed yet")
    total = torch.stack([(1 - one.square().sum(1)).mean() for one in layers]).sum()
    return strength * (total.detach() if detached else total)
