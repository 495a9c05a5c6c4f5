"""What is known of new users' weights: points of the simplex that count more or less for each user.

    P(user prefers the first)  =  Σ_i p_ui σ(g · w_i / τ)        g = S[first] - S[second]

Scores of pairs are computed in the type of their gaps: in float32 they take half the time.

Shapes: N users, n points, Q pairs to ask about, K basis rewards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.tools import checks
from lore_core.tools.checks import set_field

CELLS = 2**16  # margins held at once, in the processor's cache; never one for all three


@dataclass(frozen=True, eq=False)
class Cloud:
    """A distribution over the weights of each of N users.

    Args:
        particles: (N, n, K) points of the simplex, or (1, n, K) if all users share them.
        log_weights: (N, n), how much each point counts for a user; any constant may be added.
        temperature: τ, by which margins are divided.

    Raises:
        ValueError: shapes disagree, a point is off the simplex, or a number is NaN.
    """

    particles: Tensor
    log_weights: Tensor
    temperature: float = 1.0

    def __post_init__(self) -> None:
        logs = checks.float_matrix("log_weights", self.log_weights).double()
        given = checks.tensor("particles", self.particles)
        if given.ndim != 3 or len(given) not in (1, len(logs)) or given.shape[1] != logs.shape[1]:
            raise ValueError(
                f"particles {tuple(given.shape)} and log_weights {tuple(logs.shape)} do not fit "
                "each other; expected (N, n, K), or (1, n, K) for all users, and (N, n)"
            )
        rows = checks.simplex_rows("particles", given.flatten(0, 1))
        set_field(self, "particles", rows.view(given.shape).double())
        set_field(self, "log_weights", logs.log_softmax(-1))
        checks.number("temperature", self.temperature, above=True)

    @property
    def n_users(self) -> int:
        """N."""
        return len(self.log_weights)

    @property
    def rank(self) -> int:
        """K."""
        return self.particles.shape[-1]

    @property
    def weights(self) -> Tensor:
        """How much each point counts, (N, n); rows sum to one."""
        return self.log_weights.exp()

    @property
    def effective(self) -> Tensor:
        """How many points that count alike would say as much, (N,), from 1 to n."""
        return 1 / self.weights.square().sum(-1)

    @property
    def mean(self) -> Tensor:
        """What to take for the users' weights, (N, K)."""
        if len(self.particles) == 1:
            return self.weights @ self.particles[0]
        return (self.weights[:, None] @ self.particles)[:, 0]

    @property
    def covariance(self) -> Tensor:
        """Of each user's weights, (N, K, K)."""
        away = self.particles - self.mean[:, None]
        return (away * self.weights[..., None]).mT @ away

    def preferred(self, gaps: Tensor) -> Tensor:
        """How likely each user prefers the first of each pair to the second, (N, Q).

        Args:
            gaps: (Q, K) basis scores of the first minus those of the second.
        """
        return self.expected(torch.sigmoid, gaps)

    def noise(self, gaps: Tensor) -> Tensor:
        """Entropy of each answer that knowledge of the user's weights would leave, (N, Q), in nats.

        Args:
            gaps: (Q, K).
        """
        return self.expected(answer_entropy, gaps)

    def expected(self, function: Callable[[Tensor], Tensor], gaps: Tensor) -> Tensor:
        """The mean over each user's points of a function of the margins, (N, Q).

        Args:
            function: of margins divided by τ, number by number.
            gaps: (Q, K).
        """
        parts = self.check_pool(gaps).split(max(1, CELLS // self.size))
        points, weights = self.particles.to(gaps), self.weights.to(gaps)
        columns = [(some / self.temperature).T for some in parts]
        if len(points) == 1:
            return torch.cat([weights @ function(points[0] @ some) for some in columns], 1)
        rows = zip(points, weights, strict=True)
        return torch.stack(
            [torch.cat([p @ function(w @ some) for some in columns]) for w, p in rows]
        )

    def margins(self, user: int, gaps: Tensor) -> Tensor:
        """g · w of one user's points and all pairs, (n, Q)."""
        points = self.particles[0 if len(self.particles) == 1 else user]
        return points.to(gaps) @ gaps.T

    @property
    def size(self) -> int:
        """n."""
        return self.particles.shape[1]

    def check_pool(self, gaps: Tensor) -> Tensor:
        """The gaps of the pairs that may be asked about.

        Raises:
            ValueError: there are none, they are of another rank, or one is not a number.
        """
        gaps = checks.float_matrix("gaps", gaps)
        if gaps.shape[0] == 0 or gaps.shape[1] != self.rank:
            raise ValueError(
                f"gaps have shape {tuple(gaps.shape)}, expected at least one pair and one column "
                f"for each of {self.rank} basis rewards: (Q, {self.rank})"
            )
        return gaps


def answer_entropy(margins: Tensor) -> Tensor:
    """Entropy of an answer that is σ(margin) likely, in nats; no digits are lost at the ends."""
    below = -margins.abs()
    lesser = below.sigmoid()  # the less likely answer
    return -(1 - lesser).log() - below * lesser


def entropy(probability: Tensor) -> Tensor:
    """Entropy of an answer of this probability, in nats."""
    return torch.special.entr(probability) + torch.special.entr(1 - probability)
