"""The published procedure, said again plainly: what everything else is measured against.

One vector of d numbers is kept for each pair, the loss is summed user by user in a loop, and Adam
takes a fixed number of steps. The settings are those of `lore_core.recipes.PAPER`.

Shapes: B pairs of N users, d features, K basis rewards.

Source: LoRe (arXiv 2504.14439), Eq. 10, and the procedure of its published code.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lore_core import Preferences, Responses
from lore_core.recipes import PAPER, PAPER_FEW_SHOT

Parts = list[Tensor]  # of each user the differences of their pairs, (n_u, d)


def differences(responses: Responses, pairs: Preferences) -> Parts:
    """e(chosen) - e(rejected), user by user."""
    rows = responses.embeddings
    found = rows[pairs.chosen] - rows[pairs.rejected]
    return [found[pairs.user == user] for user in range(pairs.n_users)]


def loss(parts: Parts, basis: Tensor, logits: Tensor, temperature: float) -> Tensor:
    """Σ_u mean over u's pairs of log(1 + exp(-x V w_u / τ))."""
    total = torch.zeros((), dtype=basis.dtype)
    for user, rows in enumerate(parts):
        margins = rows @ basis @ logits[user].softmax(0)
        total = total + softplus(-margins / temperature).mean()
    return total


class Training:
    """Adam on the basis and everybody's logits, a step at a time.

    Args:
        parts: as `differences` gives them.
        rank: K.
        seed: of the start.
        basis: (d, K) of a basis that stays as it is, for new users; default learn it.
    """

    def __init__(self, parts: Parts, rank: int, seed: int = 0, basis: Tensor | None = None) -> None:
        draw = torch.Generator().manual_seed(seed)
        kind, recipe = parts[0].dtype, PAPER if basis is None else PAPER_FEW_SHOT
        self.parts, self.temperature = parts, recipe.temperature
        self.logits = torch.randn(len(parts), rank, generator=draw, dtype=kind).requires_grad_()
        learned = [self.logits]
        if basis is None:
            width = parts[0].shape[1]
            basis = torch.randn(width, rank, generator=draw, dtype=kind).requires_grad_()
            learned.append(basis)
        self.basis = basis
        self.optimizer = torch.optim.Adam(learned, lr=recipe.learning_rate)

    def step(self) -> float:
        """One step; the loss before it."""
        self.optimizer.zero_grad()
        value = loss(self.parts, self.basis, self.logits, self.temperature)
        value.backward()
        self.optimizer.step()
        return float(value.detach())
