"""What answers say about new users' weights: a posterior over the simplex, for all users at once.

    p(w | answers)  ∝  p(w) Π_b σ(±g_b · w / τ)        + where the first of the pair was preferred

An answer changes how much each particle counts. All users share the same particles, until for one
of them few still count; then everybody gets their own, and those of the users in need are drawn
again by how much they count, and moved.

Particles at the seen users' weights, each as likely as the other, make this the posterior of
`likeness.py`, and its mean the point that `fit_weights` draws a new user to.

Shapes: N users, n particles, b answers, K basis rewards.

Source: Bayes; resample-move, Gilks and Berzuini (2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.decisions.cloud import Cloud
from lore_core.decisions.particles import Particles, prior_particles, resampled
from lore_core.objective import pair_loss
from lore_core.tools import checks

FEW = 0.2  # of the particles: with fewer, effectively, a user's are drawn again


@dataclass(frozen=True, eq=False, kw_only=True)
class Posterior(Cloud):
    """A cloud of particles that listens to answers.

    Args:
        parts: what the particles are mixed of.
        answered: (N, b, K) gaps of the pairs answered so far, in the sign of the answers.
    """

    parts: Particles
    answered: Tensor

    def update(
        self, gaps: Tensor, first: Tensor, generator: torch.Generator | None = None
    ) -> Posterior:
        """What is known after one more answer of every user.

        Args:
            gaps: (N, K), of the pair that each user was asked about.
            first: (N,) booleans, whether the first of the two was preferred.
            generator: source of resampling and moves; without one particles stay where they are.

        Raises:
            ValueError: shapes disagree, or a gap is not a number.
        """
        signed = signed_gaps(gaps, first, (self.n_users, self.rank))
        margins = (self.particles @ signed[..., None])[..., 0] / self.temperature
        answered = torch.cat([self.answered, signed[:, None]], 1)
        told = self.with_(self.parts, self.log_weights - pair_loss(margins), answered)
        return told if generator is None else told.refreshed(generator)

    def refreshed(self, generator: torch.Generator) -> Posterior:
        """The same distribution, with new particles for whom few of them count."""
        poor = (self.effective < FEW * self.size).nonzero()[:, 0]
        if len(poor) == 0:
            return self
        parts, logs = self.parts.of_users(self.n_users), self.log_weights.clone()
        drawn = parts.select(poor, resampled(self.weights[poor], generator))
        parts.put(poor, drawn.moved(self.answered[poor] / self.temperature, generator))
        logs[poor] = 0.0
        return self.with_(parts, logs, self.answered)

    def with_(self, parts: Particles, log_weights: Tensor, answered: Tensor) -> Posterior:
        """A posterior of the same temperature."""
        return Posterior(
            particles=parts.points,
            log_weights=log_weights,
            temperature=self.temperature,
            parts=parts,
            answered=answered,
        )


def prior(
    seen: Tensor, n_users: int, n: int, generator: torch.Generator, temperature: float = 1.0
) -> Posterior:
    """What is known of new users who have not been asked: they may be like a seen one, or not.

    Args:
        seen: (N', K) weights of the seen users.
        n_users: N new users.
        n: particles. Half lie near seen users (nine tenths theirs, one tenth free), half anywhere,
            drawn from a Dirichlet distribution of concentration 0.5.
        generator: source of the draws.
        temperature: τ of the answers, in units of the reward's margins.

    Raises:
        ValueError: weights are off the simplex, or a number is out of range.
    """
    seen = checks.simplex_rows("seen", seen).double()
    checks.whole_numbers(1, n_users=n_users, n=n, seen_users=len(seen))
    return at(prior_particles(seen, n, generator), n_users, temperature)


def point_prior(points: Tensor, n_users: int, temperature: float = 1.0) -> Posterior:
    """New users who have the weights of one of these points, each as likely as the other.

    Args:
        points: (n, K), such as the seen users' weights; they never move.
        n_users: N new users.
        temperature: τ.

    Raises:
        ValueError: a point is off the simplex, or a number is out of range.
    """
    anchor = checks.simplex_rows("points", points).double()[None]
    return at(Particles(anchor, torch.zeros_like(anchor[..., :1]), anchor), n_users, temperature)


def at(parts: Particles, n_users: int, temperature: float) -> Posterior:
    """Nothing answered yet: all particles count alike."""
    checks.whole_number("n_users", n_users, at_least=1)
    _, n, rank = parts.anchor.shape
    return Posterior(
        particles=parts.points,
        log_weights=torch.zeros(n_users, n, dtype=torch.float64),
        temperature=temperature,
        parts=parts,
        answered=torch.zeros(n_users, 0, rank, dtype=torch.float64),
    )


def signed_gaps(gaps: Tensor, first: Tensor, shape: tuple[int, int]) -> Tensor:
    """Preferred minus other, (N, K) in float64.

    Raises:
        ValueError: there is not one pair and one answer per user, or a gap is not a number.
    """
    gaps, first = checks.float_matrix("gaps", gaps), checks.tensor("first", first)
    if gaps.shape != shape or first.shape != shape[:1] or first.dtype != torch.bool:
        raise ValueError(
            f"gaps {tuple(gaps.shape)} and first {tuple(first.shape)} of type {first.dtype}, "
            f"expected {shape} and {shape[:1]} of type torch.bool: one pair and one answer of "
            "every user"
        )
    return torch.where(first[:, None], gaps, -gaps).double()
