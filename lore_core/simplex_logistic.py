"""What a few pairs say about a user's weights: a convex problem inside the simplex.

    minimise over w_u   Σ_b log(1 + exp(-g_b · w_u))  -  Σ_k prior_uk log w_uk

The logarithm keeps the weights inside. Steps are taken in units of the weights themselves,
w -> w ∘ (1 + y), in which the curvature of the prior is constant. Large gaps make the loss nearly
a row of corners, so they are first scaled down and then let grow, each time from the last answer.

Shapes: N users, n pairs each (those of a user with fewer are filled up with gaps of zero, which
say nothing), K weights.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lore_core.newton import minimise
from lore_core.objective import cross_entropy, pair_loss

EASY = 32.0  # gaps up to this size need no scaling down
INSIDE = 1e-12  # no weight is smaller, so that each has a logarithm


@dataclass(frozen=True, eq=False)
class SimplexLogistic:
    """What is minimised: gaps (N, n, K) of the pairs, and priors (N, K) that keep w inside."""

    gaps: Tensor
    prior: Tensor

    @property
    def noise(self) -> float:
        """That of a few sums in float64."""
        return 1e-14

    def losses(self, weights: Tensor) -> Tensor:
        """Each user's objective, (N,)."""
        margins = (self.gaps @ weights[..., None])[..., 0]
        return pair_loss(margins).sum(1) + cross_entropy(self.prior, weights.log())

    def derivatives(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient (N, K) and Hessian (N, K, K) with respect to y, where w -> w ∘ (1 + y)."""
        gaps = self.gaps * weights[:, None]
        wrong = (-gaps.sum(-1, keepdim=True)).sigmoid()
        gradient = -(gaps * wrong).sum(1) - self.prior
        return gradient, gaps.mT @ (gaps * (wrong * (1 - wrong))) + self.prior.diag_embed()

    def direction(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Newton's y, (N, K), among those that keep the weights' sum: w · y = 0."""
        gradient, hessian = self.derivatives(weights)
        jitter = 1e-13 * hessian.diagonal(dim1=-2, dim2=-1).amax(-1)  # steep: nearly singular
        hessian = hessian + jitter[:, None, None] * torch.eye(hessian.shape[-1]).to(hessian)
        solved = torch.linalg.solve(hessian, torch.stack([gradient, weights], -1))
        by_gradient, by_weights = solved.unbind(-1)
        drift = (weights * by_gradient).sum(-1) / (weights * by_weights).sum(-1)
        y = by_weights * drift[:, None] - by_gradient
        return y, -(gradient * y).sum(-1).clamp_max(0)

    def longest(self, direction: Tensor) -> Tensor:
        """The step that takes the first weight to a hundredth of itself, at most 1."""
        return (-0.99 / direction.amin(-1).clamp_max(-0.99)).clamp_max(1.0)

    def move(self, weights: Tensor, direction: Tensor, size: Tensor) -> Tensor:
        """w ∘ (1 + size y), inside the simplex."""
        return inside(weights * (1 + size[:, None] * direction))

    def select(self, mask: Tensor) -> SimplexLogistic:
        """The problems of some users."""
        if mask.all():
            return self
        return replace(self, gaps=self.gaps[mask], prior=self.prior[mask])


def best_weights(shots: SimplexLogistic, start: Tensor, steps: int) -> Tensor:
    """The minimising weights, (N, K) float64.

    Args:
        shots: the problem, in float64.
        start: (N, K) weights to start from.
        steps: at most so many steps for each scale of the gaps.
    """
    weights = inside(start)
    left = 0.0
    largest = float(shots.gaps.abs().max()) if shots.gaps.numel() else 0.0
    stages = max(0, math.ceil(math.log(max(largest, EASY) / EASY, 4)))
    for stage in range(stages, -1, -1):
        scaled = replace(shots, gaps=shots.gaps * 0.25**stage)
        weights, left = minimise(scaled, weights, steps)
    if left > 1e-3:
        warnings.warn(f"weights may be off: {left:.1g} of a loss was still to gain", stacklevel=3)
    return weights


def inside(weights: Tensor) -> Tensor:
    """Weights in float64 that sum to one, kept off the edge, where the logarithm ends."""
    weights = weights.double().clamp_min(INSIDE)
    return weights / weights.sum(-1, keepdim=True)
