"""Newton's method for every user's weights at once, inside the simplex.

    minimise over w_u   Σ_b log(1 + exp(-g_b · w_u))  -  Σ_k prior_k log w_uk

Convex, and kept inside by the logarithm. Steps are taken in units of the weights themselves
(w -> w ∘ (1 + y)), in which the curvature of the prior is constant. Large gaps make the loss nearly
a row of corners, so they are first scaled down and then let grow, each time from the last answer.

Shapes: N users, n pairs each (those of a user with fewer are filled up with gaps of zero, which
say nothing), K weights.
"""

import math
import warnings
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lore_core.objective import pair_loss

EASY = 8.0  # gaps up to this size need no scaling down
NEAR = 1e-12  # a promised decrease, relative to the loss, that is not worth another step


@dataclass(frozen=True, eq=False)
class Shots:
    """What is minimised: gaps (N, n, K) of the pairs, and a prior (K,) that keeps w inside."""

    gaps: Tensor
    prior: Tensor

    def losses(self, weights: Tensor) -> Tensor:
        """Each user's objective, (N,)."""
        margins = (self.gaps @ weights[..., None])[..., 0]
        return pair_loss(margins).sum(1) - weights.log() @ self.prior

    def derivatives(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient (N, K) and Hessian (N, K, K) with respect to y, where w -> w ∘ (1 + y)."""
        gaps = self.gaps * weights[:, None]
        wrong = (-gaps.sum(-1, keepdim=True)).sigmoid()
        gradient = -(gaps * wrong).sum(1) - self.prior
        return gradient, gaps.mT @ (gaps * (wrong * (1 - wrong))) + self.prior.diag()

    def where(self, keep: Tensor) -> "Shots":
        """The problems of some users."""
        return self if keep.all() else replace(self, gaps=self.gaps[keep])


def newton(shots: Shots, start: Tensor, steps: int) -> Tensor:
    """The minimising weights, (N, K) float64.

    Args:
        shots: the problem, in float64.
        start: (N, K) weights to start from.
        steps: at most so many steps for each scale of the gaps.
    """
    weights = inside(start)
    largest = float(shots.gaps.abs().max()) if shots.gaps.numel() else 0.0
    stages = max(0, math.ceil(math.log(max(largest, EASY) / EASY, 4)))
    for stage in range(stages, -1, -1):
        weights, left = descend(replace(shots, gaps=shots.gaps * 0.25**stage), weights, steps)
    if left > 1e-3:
        warnings.warn(f"weights may be off: {left:.1g} of a loss was still to gain", stacklevel=3)
    return weights


def descend(shots: Shots, weights: Tensor, steps: int) -> tuple[Tensor, float]:
    """Damped Newton steps from `weights`; also the largest relative decrease still promised."""
    found, moving = weights.clone(), torch.arange(len(weights), device=weights.device)
    left = math.inf
    for _ in range(steps):
        gradient, hessian = shots.derivatives(weights)
        direction = simplex_direction(gradient, hessian, weights)
        decrement, loss = -(gradient * direction).sum(-1).clamp_max(0), shots.losses(weights)
        promised = decrement / (1 + loss.abs())
        left, go_on = float(promised.max()), promised >= NEAR
        if not go_on.any():
            break
        moving, shots = moving[go_on], shots.where(go_on)  # who has arrived costs nothing more
        here = (t[go_on] for t in (weights, direction, decrement, loss))
        weights = found[moving] = line_search(shots, *here)
    return found, left


def simplex_direction(gradient: Tensor, hessian: Tensor, weights: Tensor) -> Tensor:
    """Newton's y, (N, K), among those that keep the weights' sum: w · y = 0."""
    jitter = 1e-13 * hessian.diagonal(dim1=-2, dim2=-1).amax(-1)  # steep gaps: nearly singular
    hessian = hessian + jitter[:, None, None] * torch.eye(hessian.shape[-1]).to(hessian)
    solved = torch.linalg.solve(hessian, torch.stack([gradient, weights], -1))
    by_gradient, by_weights = solved.unbind(-1)
    drift = (weights * by_gradient).sum(-1) / (weights * by_weights).sum(-1)
    return by_weights * drift[:, None] - by_gradient


def line_search(
    shots: Shots, weights: Tensor, direction: Tensor, decrement: Tensor, before: Tensor
) -> Tensor:
    """Step along `direction`, inside the simplex, halved per user until the loss falls enough."""
    size = (-0.99 / direction.amin(-1).clamp_max(-0.99)).clamp_max(1.0)
    slack = 1e-13 * (1 + before.abs())
    for _ in range(40):
        after = shots.losses(weights * (1 + size[:, None] * direction))
        too_far = after > before - 0.25 * size * decrement + slack
        if not too_far.any():
            break
        size = torch.where(too_far, size / 2, size)
    return inside(weights * (1 + size[:, None] * direction))


def inside(weights: Tensor) -> Tensor:
    """Weights in float64 that sum to one, kept off the edge, where the logarithm ends."""
    weights = weights.double().clamp_min(1e-12)
    return weights / weights.sum(-1, keepdim=True)
