"""Particles of the simplex that can move: each is a fixed point mixed with a free one.

    w = (1 - share) · anchor + share · free        free ~ Dirichlet(0.5, ..., 0.5)

All free points have the same prior, whatever they are mixed with. So a prior with many centres (the
seen users) needs no density of a mixture to be sampled exactly. With a share of 0 a particle stays
where it is.

Shapes: N users, n particles, b answers, K basis rewards.

Source: resample-move, Gilks and Berzuini (2001).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lore_core.objective import pair_loss
from lore_core.simplex_logistic import inside
from lore_core.tools import draws

CONCENTRATION = 0.5
SPREADS = (0.002, 0.5)  # of proposals: from narrow, for a sharp posterior, to nearly the prior
LITTLE = 0.1  # how much of a seen user's particle is free


@dataclass(frozen=True, eq=False)
class Particles:
    """The particles of N users, or, with a first dimension of 1, those that all users share.

    Args:
        anchor: (N, n, K) points of the simplex.
        share: (N, n, 1), from 0 to 1.
        free: (N, n, K) points of the simplex.
    """

    anchor: Tensor
    share: Tensor
    free: Tensor

    @property
    def points(self) -> Tensor:
        """w, (N, n, K)."""
        return self.anchor.lerp(self.free, self.share)

    def of_users(self, n_users: int) -> Particles:
        """A copy for each of N users."""
        return Particles(
            *(part.expand(n_users, -1, -1).clone() for part in (self.anchor, self.share, self.free))
        )

    def select(self, users: Tensor, places: Tensor) -> Particles:
        """Some users' particles, taken from these places (m, n) of theirs."""
        return Particles(
            *(part[users[:, None], places] for part in (self.anchor, self.share, self.free))
        )

    def put(self, users: Tensor, other: Particles) -> None:
        """Write some users' new particles, in place."""
        for name in ("anchor", "share", "free"):
            getattr(self, name)[users] = getattr(other, name)

    def log_density(self, answered: Tensor) -> Tensor:
        """Of the free parts, given the answers, up to a constant, (N, n).

        Args:
            answered: (N, b, K) gaps in the sign of the answers, divided by τ.
        """
        likelihood = -pair_loss(self.points @ answered.mT).sum(-1)
        return likelihood + (CONCENTRATION - 1) * self.free.log().sum(-1)

    def moved(self, answered: Tensor, generator: torch.Generator) -> Particles:
        """After one Metropolis step each, which leaves their distribution as it is.

        Args:
            answered: as in `log_density`.
            generator: source of the proposals.
        """
        spread = spreads(draws.uniform(generator, *self.share.shape))
        new = replace(self, free=inside(draws.dirichlet(generator, around(self.free, spread))))
        gain = new.log_density(answered) - self.log_density(answered)
        there = log_proposal(self.free, new.free, spread)
        ratio = gain + log_proposal(new.free, self.free, spread) - there
        accepted = draws.uniform(generator, *ratio.shape).log() < ratio
        return replace(self, free=torch.where(accepted[..., None], new.free, self.free))


def spreads(luck: Tensor) -> Tensor:
    """How far each proposal reaches, evenly on a logarithmic scale, by uniform draws."""
    narrow, wide = SPREADS
    return narrow * (wide / narrow) ** luck


def around(free: Tensor, spread: Tensor) -> Tensor:
    """The Dirichlet parameters of a proposal from here."""
    return free / spread + CONCENTRATION


def log_proposal(start: Tensor, end: Tensor, spread: Tensor) -> Tensor:
    """How likely a step leads from start to end, up to a constant."""
    parameters = around(start, spread)
    return ((parameters - 1) * end.log() - parameters.lgamma()).sum(-1)


def prior_particles(seen: Tensor, n: int, generator: torch.Generator) -> Particles:
    """Half of them near seen users, half anywhere, (1, n, K).

    Args:
        seen: (N', K) weights of the seen users.
        n: particles, at least 1; of an odd number the larger half lies anywhere.
        generator: source of the draws.
    """
    near = n // 2
    rows = torch.cat([draws.order(generator, len(seen)) for _ in range(near // len(seen) + 1)])
    anchor = inside(seen)[rows[:near]]
    share = torch.full((n, 1), LITTLE, dtype=torch.float64)
    share[near:] = 1.0
    anywhere = torch.full((n - near, seen.shape[1]), 1 / seen.shape[1], dtype=torch.float64)
    free = draws.dirichlet(generator, torch.full((n, seen.shape[1]), CONCENTRATION))
    anchor = torch.cat([anchor, anywhere])
    return Particles(anchor=anchor[None], share=share[None], free=inside(free)[None])


def resampled(weights: Tensor, generator: torch.Generator) -> Tensor:
    """Places of n particles drawn by their weights, (m, n): systematic resampling.

    Args:
        weights: (m, n), rows sum to one.
        generator: source of one number per row.
    """
    n = weights.shape[1]
    points = (torch.arange(n) + draws.uniform(generator, len(weights), 1)) / n
    return torch.searchsorted(weights.cumsum(-1), points).clamp_max(n - 1)
