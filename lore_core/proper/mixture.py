"""A mixture of ridge regressions: groups of users, found from what they said.

Every user belongs to one of M groups, we do not know to which; within a group the values are a
linear function of the features. EM finds the groups' functions and everybody's posterior.

Shapes: n items, p features, c values of each, N users, M groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from lore_core.tools import draws
from lore_core.tools.ragged import rows_of

SMALLEST = 1e-3  # variance of the noise, where a group fits perfectly


@dataclass(frozen=True)
class Moments:
    """Sums over each user's items, all that a regression needs of them.

    Args:
        gram: (N, p, p) Σ x xᵀ.
        cross: (N, p, c) Σ x yᵀ.
        square: (N,) Σ |y|².
        count: (N,) items.
    """

    gram: Tensor
    cross: Tensor
    square: Tensor
    count: Tensor

    @classmethod
    def of(cls, features: Tensor, values: Tensor, user: Tensor, n_users: int) -> Moments:
        """The sums of features (n, p) and values (n, c)."""
        x, y, rows = features.double(), values.double(), rows_of(user, n_users)
        return cls(
            torch.stack([x[own].T @ x[own] for own in rows]),
            torch.stack([x[own].T @ y[own] for own in rows]),
            torch.stack([y[own].square().sum() for own in rows]),
            torch.tensor([len(own) for own in rows]).double(),
        )

    def errors(self, coefficients: Tensor) -> Tensor:
        """Summed squared errors of each user under each regression, (N, M)."""
        fit = self.cross.flatten(1) @ coefficients.flatten(1).T
        power = self.gram.flatten(1) @ (coefficients @ coefficients.mT).flatten(1).T
        return (self.square[:, None] - 2 * fit + power).clamp(min=0)

    def regressions(self, shares: Tensor, ridge: float) -> Tensor:
        """Ridge regressions, each over all users by their shares (N, M), (M, p, c)."""
        gram = (shares.T @ self.gram.flatten(1)).unflatten(1, self.gram.shape[1:])
        cross = (shares.T @ self.cross.flatten(1)).unflatten(1, self.cross.shape[1:])
        gram.diagonal(dim1=1, dim2=2).add_(ridge)
        return torch.linalg.solve(gram, cross)


@dataclass(frozen=True)
class Mixture:
    """Groups as regressions.

    Args:
        coefficients: (M, p, c) of each group.
        prior: (M,) the groups' sizes, summing to 1.
        variance: of the noise in each value.
    """

    coefficients: Tensor
    prior: Tensor
    variance: float

    def log_joint(self, moments: Moments) -> Tensor:
        """log p(group, values) of each user, (N, M), but for a constant of each user."""
        return self.prior.log() - moments.errors(self.coefficients) / (2 * self.variance)

    def posterior(self, moments: Moments) -> Tensor:
        """Each user's share in each group, (N, M); the prior for a user without items."""
        return self.log_joint(moments).softmax(1)

    def likelihood(self, moments: Moments) -> float:
        """log p(values) of all users, to compare mixtures by."""
        n_values = moments.count.sum() * self.coefficients.shape[2]
        return float(self.log_joint(moments).logsumexp(1).sum() - n_values / 2 * log(self.variance))


def fit(
    moments: Moments,
    n_groups: int,
    ridge: float,
    source: torch.Generator,
    starts: int = 20,
    rounds: int = 40,
) -> Mixture:
    """The likeliest of several mixtures, each by EM from a random grouping of the users.

    Args:
        moments: of the users.
        n_groups: M.
        ridge: pull of every regression towards 0, in items.
        source: of the random groupings.
        starts, rounds: how many, and how long each.
    """
    found = [
        descend(moments, first(moments, n_groups, source), ridge, rounds) for _ in range(starts)
    ]
    return max(found, key=lambda mixture: mixture.likelihood(moments))


def descend(moments: Moments, shares: Tensor, ridge: float, rounds: int) -> Mixture:
    """EM from some shares (N, M)."""
    for _ in range(rounds):
        mixture = maximised(moments, shares, ridge)
        shares = mixture.posterior(moments)
    return mixture


def maximised(moments: Moments, shares: Tensor, ridge: float) -> Mixture:
    """The M-step: regressions, sizes and noise, given the shares."""
    coefficients = moments.regressions(shares, ridge)
    n_values = moments.count.sum() * coefficients.shape[2]
    variance = (shares * moments.errors(coefficients)).sum() / n_values
    prior = (shares.sum(0) + 1) / (len(shares) + shares.shape[1])  # no group dies out
    return Mixture(coefficients, prior, max(float(variance), SMALLEST))


def first(moments: Moments, n_groups: int, source: torch.Generator) -> Tensor:
    """A random grouping: every user goes to one group, (N, M)."""
    group = draws.order(source, len(moments.count)) % n_groups
    return torch.nn.functional.one_hot(group, n_groups).double()
