"""Normal distributions of logits around users' most likely weights: Laplace's approximation.

    w = softmax(l),    l ~ N(log ŵ, curvature⁻¹)        in the K - 1 directions that keep Σ_k l_k

The curvature is that of `simplex_logistic.py`'s objective with respect to the logits. Draws are
points of the simplex, whatever they are.

Shapes: N users, n draws, b answers, K weights.

Source: MacKay (1998), Choice of basis for Laplace approximation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.simplex_logistic import SimplexLogistic, best_weights, inside

JITTER = 1e-9  # of a precision, so that it has a root


@dataclass(frozen=True, eq=False)
class Normal:
    """Normal distributions in the logits of N users.

    Args:
        mode: (N, K) weights ŵ.
        precision: (N, K, K) in the logits; the direction (1, ..., 1) has none and is not free.
    """

    mode: Tensor
    precision: Tensor

    def points(self, luck: Tensor) -> Tensor:
        """Draws as points of the simplex, (N, n, K).

        Args:
            luck: (N, n, K - 1) standard normal draws.
        """
        free = free_directions(self.mode.shape[1])
        inner = free.T @ self.precision @ free
        inner = inner + JITTER * torch.eye(len(inner[0])).to(inner)
        root = torch.linalg.cholesky(inner)
        away = torch.linalg.solve_triangular(root.mT, luck.mT, upper=True)
        return inside((self.mode.log()[:, None] + away.mT @ free.T).softmax(-1))


def free_directions(rank: int) -> Tensor:
    """K - 1 orthonormal directions that keep the sum of the logits, (K, K - 1)."""
    steps = torch.eye(rank, dtype=torch.float64) - 1 / rank
    return torch.linalg.qr(steps[:, : rank - 1])[0]


def around_best(gaps: Tensor, prior: Tensor, start: Tensor, steps: int) -> Normal:
    """Laplace's approximation of every user's posterior.

    Args:
        gaps: (N, b, K) in the sign of the answers, divided by τ.
        prior: (N, K), prior · c.
        start: (N, K) weights from which the search for the best begins.
        steps: of the search, at most.
    """
    shots = SimplexLogistic(gaps, prior)
    mode = best_weights(shots, start, steps)
    return Normal(mode, curvature(shots, mode))


def curvature(shots: SimplexLogistic, weights: Tensor) -> Tensor:
    """Second derivatives of the objective with respect to the logits, (N, K, K)."""
    wrong = (-(shots.gaps @ weights[..., None])[..., 0]).sigmoid()
    slope = -(shots.gaps * wrong[..., None]).sum(1)  # of the loss in the weights
    bend = shots.gaps.mT @ (shots.gaps * (wrong * (1 - wrong))[..., None])
    jacobian = weights.diag_embed() - weights[:, :, None] * weights[:, None]
    pull = weights * (slope - (slope * weights).sum(-1, keepdim=True))
    turn = pull.diag_embed() - pull[:, :, None] * weights[:, None]
    turn = turn - weights[:, :, None] * pull[:, None]
    return jacobian @ bend @ jacobian + turn + shots.prior.sum(-1)[:, None, None] * jacobian
