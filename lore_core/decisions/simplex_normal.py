"""Normal distributions around users' most likely weights: Laplace's approximation on the simplex.

    w = ŵ ∘ (1 + y),    y ~ N(0, H⁻¹) with ŵ · y = 0        K - 1 directions are free

H is the curvature of `simplex_logistic.py`'s objective, which is measured in units of the weights
themselves. A draw that leaves the simplex is put back on its edge.

Shapes: N users, n draws, b answers, K weights.

Source: Tierney and Kadane (1986), for Laplace's method.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.simplex_logistic import SimplexLogistic, best_weights, inside


@dataclass(frozen=True, eq=False)
class SimplexNormal:
    """Normal distributions around points of the simplex.

    Args:
        mode: (N, K) weights ŵ.
        precision: (N, K, K) H, positive definite.
    """

    mode: Tensor
    precision: Tensor

    def points(self, luck: Tensor) -> Tensor:
        """Draws, (N, n, K), on the simplex.

        Args:
            luck: (N, n, K) standard normal draws.
        """
        root = torch.linalg.cholesky(self.precision)
        y = torch.linalg.solve_triangular(root.mT, luck.mT, upper=True).mT
        sums = (y * self.mode[:, None]).sum(-1, keepdim=True)  # ŵ · y, which has to be 0
        towards = torch.cholesky_solve(self.mode[..., None], root)[..., 0]
        share = sums / (towards * self.mode).sum(-1)[:, None, None]
        return inside(self.mode[:, None] * (1 + y - share * towards[:, None]))


def around_best(gaps: Tensor, prior: Tensor, start: Tensor, steps: int) -> SimplexNormal:
    """Laplace's approximation of every user's posterior.

    Args:
        gaps: (N, b, K) in the sign of the answers, divided by τ.
        prior: (N, K), prior · c.
        start: (N, K) weights from which the search for the best begins.
        steps: of the search, at most.
    """
    shots = SimplexLogistic(gaps, prior)
    mode = best_weights(shots, start, steps)
    return SimplexNormal(mode, shots.derivatives(mode)[1])
