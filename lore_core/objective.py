"""What training minimises, term by term as `Recipe` lists them.

    m_b        (S[chosen_b] - S[rejected_b]) · w_u, S = embeddings @ V
    nll        log(1 + exp(-m_b / τ)), averaged over pairs or by user: see `likelihood.py`
    penalties  ridge on V, ridge on l, pull of every column of V towards a reference direction

Shapes: M responses, d features, K basis rewards, N users, B pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lore_core.likelihood import pair_loss as pair_loss
from lore_core.likelihood import pair_nll
from lore_core.preferences import Preferences
from lore_core.prepared import Learnable, sorted_on
from lore_core.recipes import Recipe
from lore_core.responses import Responses, mean_row
from lore_core.sorted_pairs import SortedPairs
from lore_core.tools.devices import Device, moved

MODERATE = 1e-4, 1e4  # scales at which neither sums nor gradients over- or underflow


@dataclass(frozen=True, eq=False)
class Objective:
    """The training objective on a fixed set of pairs, as a function of basis and logits.

    Args:
        embeddings: (M, d), only the rows that some pair uses.
        pairs: B pairs of those rows, sorted.
        recipe: temperature, averaging and penalties.
        reference: (d, 1) direction of the anchor, or None.
        unit: what these embeddings have yet to be divided by.
    """

    embeddings: Tensor
    pairs: SortedPairs
    recipe: Recipe
    reference: Tensor | None = None
    unit: float = 1.0

    @classmethod
    def on(
        cls,
        responses: Responses,
        preferences: Learnable,
        recipe: Recipe,
        scale: float = 1.0,
        reference: Tensor | None = None,
    ) -> Objective:
        """The objective on some pairs, with the responses that no pair uses left out.

        What all embeddings share is taken out too, where it would cost digits: it cancels in every
        margin. If all responses are used and share little, their embeddings are not copied.

        Args:
            responses, preferences: the data.
            recipe: temperature, averaging and penalties.
            scale: what embeddings are divided by.
            reference: (d, 1) direction of the anchor, or None.
        """
        rows, pairs = sorted_on(responses, preferences)
        rows, unit = in_unit(rows, scale, own=rows is not responses.embeddings)
        return cls(
            embeddings=rows,
            pairs=pairs,
            recipe=recipe,
            reference=reference,
            unit=unit,
        )

    def to(self, device: Device) -> Objective:
        """The same objective on another device."""
        return moved(self, device)

    def __call__(self, basis: Tensor, logits: Tensor, step: int) -> Tensor:
        """The whole objective at one step (the anchor's strength depends on it)."""
        return self.nll(basis, logits) + self.penalty(basis, logits, step)

    def nll(self, basis: Tensor, logits: Tensor) -> Tensor:
        """Bradley–Terry negative log-likelihood; LoRe Eq. 10 when averaged by user."""
        basis = basis / (self.recipe.temperature * self.unit)
        share = self.share.to(basis)
        return pair_nll(self.embeddings, basis, self.weights(logits), share, self.pairs)

    @property
    def share(self) -> Tensor:
        """How much each pair of a user counts, (N,): the factors of `average`."""
        counts = self.pairs.counts
        if self.recipe.average == "pair":
            counts = torch.full_like(counts, self.n_pairs)
        return counts.clamp_min(1).double().reciprocal()

    @property
    def n_pairs(self) -> int:
        """B, over which "pair" averages."""
        return len(self.pairs)

    @property
    def n_users(self) -> int:
        """N, over which the ridge on logits averages."""
        return len(self.pairs.counts)

    def weights(self, logits: Tensor) -> Tensor:
        """What the logits stand for: weights on the simplex, (N, K)."""
        return logits.softmax(-1)

    def penalty(self, basis: Tensor, logits: Tensor, step: int) -> Tensor:
        """Ridge on basis and logits, and the anchor."""
        ridge = self.recipe.ridge_logits * logits.square().sum(-1).mean()
        return self.basis_penalty(basis, step) + ridge

    def basis_penalty(self, basis: Tensor, step: int) -> Tensor:
        """Ridge on the basis (of several the first), and the anchor."""
        recipe = self.recipe
        ridge = recipe.ridges[0] * basis.square().sum()
        if recipe.anchor == 0 or self.reference is None:
            return ridge
        cosine = F.cosine_similarity(basis, self.reference.view(-1, 1), dim=0)
        return ridge + recipe.anchor_at(step) * (1 - cosine).mean()

    def vector(self, gradient: Tensor) -> Tensor:
        """A gradient as an optimiser is to have it; whoever shares users among processes says."""
        return gradient


def in_unit(rows: Tensor, scale: float, own: bool) -> tuple[Tensor, float]:
    """Rows centred and divided by a scale, and 1; or if they can do without it, and the scale.

    Args:
        rows: (M, d).
        scale: what to divide by.
        own: whether nobody else needs the rows as they are.
    """
    middle = mean_row(rows)
    if not own and moderate(rows, middle, scale):
        return rows, scale
    rows = rows.sub_(middle) if own else rows - middle
    return rows.div_(scale), 1.0


def moderate(rows: Tensor, middle: Tensor, scale: float) -> bool:
    """Whether rows as they are lose no more than a digit: no large mean, no unusual unit."""
    size = float(torch.linalg.vector_norm(rows)) / len(rows) ** 0.5
    shared = float(torch.linalg.vector_norm(middle))
    return MODERATE[0] <= scale <= MODERATE[1] and 0 < size < math.inf and shared <= 0.99 * size


def cross_entropy(centre: Tensor, log_weights: Tensor) -> Tensor:
    """KL(c_u || w_u) but for what does not depend on w_u: -Σ_k c_uk log w_uk, (N,).

    Args:
        centre: c, (N, K), where each user is drawn to, or this times a strength; or (K,), one for
            all of them.
        log_weights: (N, K).
    """
    return -(centre * log_weights).sum(-1)


def average(losses: Tensor, pairs: Preferences, how: str) -> Tensor:
    """Mean over all pairs ("pair"), or the sum over users of each user's mean ("user")."""
    if how == "pair":
        return losses.mean()
    return (losses / pairs.counts[pairs.user]).sum()
