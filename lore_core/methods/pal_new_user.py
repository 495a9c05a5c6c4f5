"""PAL for a new user: the logits are fitted to a few pairs, all else stays as it is.

Source: as in `pal.py`.  Shapes: N users, n pairs each, K prototypes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from lore_core.likeness import likeness
from lore_core.objective import cross_entropy
from lore_core.preferences import Preferences
from lore_core.recipes import CENTRES
from lore_core.scores import logits_of
from lore_core.tools import checks, draws
from lore_core.tools.progress import Bar
from lore_core.tools.ragged import padded

SEEN = 8  # seen users who score every response at once: bounds the memory
USERS = 200  # whose responses are looked up at once: bounds the memory


@dataclass(frozen=True)
class NewUser:
    """How a new user's logits are fitted; the defaults are the published ones.

    Args:
        learning_rate: of AdamW, with torch's weight decay of 0.01.
        epochs: passes through a user's pairs.
        batch: pairs per step, in a new random order in each pass; None takes all of them.
        random: start from normal logits; otherwise from the centre.
        prior: weight of KL(centre || w_u); the published fit has none.
        centre: the seen users' mean weights, each counted alike ("crowd"), or by how well they
            explain the new user's pairs ("posterior", see `likeness.py`).

    Raises:
        ValueError: a number is out of range.
    """

    learning_rate: float = 5e-3
    epochs: int = 20
    batch: int | None = 4
    random: bool = True
    prior: float = 0.0
    centre: str = "crowd"

    def __post_init__(self) -> None:
        checks.number("learning_rate", self.learning_rate, above=True)
        checks.number("prior", self.prior)
        checks.flag("random", self.random)
        checks.one_of("centre", self.centre, CENTRES)
        checks.whole_number("epochs", self.epochs, at_least=0)
        if self.batch is not None:
            checks.whole_number("batch", self.batch, at_least=1)

    def batches(self, counts: Tensor) -> Tensor:
        """Steps per pass, for users with so many pairs."""
        return counts.clamp_max(1) if self.batch is None else -(-counts // self.batch)

    def start(self, centre: Tensor, generator: torch.Generator) -> Tensor:
        """Where the logits of users start, (N, K), who are drawn to these weights (N, K)."""
        known = logits_of(centre)
        normal = draws.normal(generator, *known.shape).to(known)
        return normal if self.random else known

    def order(self, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Columns of each user's pairs in a new random order, cut into batches.

        Args:
            mask: (N, n) which pairs exist.
            generator: source of the order.
        """
        if self.batch is None:
            return (torch.arange(mask.shape[1], device=mask.device).expand(mask.shape),)
        keys = draws.uniform(generator, *mask.shape).to(mask.device)
        return keys.masked_fill(~mask, 2.0).argsort(1).split(self.batch, 1)


class Frozen(Protocol):
    """What the fit reads of a model, and leaves as it is; see `PALModel`."""

    new_user: NewUser

    @property
    def crowd(self) -> Tensor:
        """The crowd's mean weights, (K,)."""

    @property
    def personal(self) -> Tensor:
        """The seen users' weights, (N', K)."""

    def items(self, tables: Any, rows: Tensor) -> Any:
        """The rows (N, n) of the tables."""

    def rewards(self, items: Any, weights: Tensor) -> Tensor:
        """r_u(x) of each user's responses, (N, n)."""

    def losses(self, margins: Tensor) -> Tensor:
        """The loss of each margin."""


def fit_new_users(model: Frozen, tables: Any, shots: Preferences, seed: int) -> Tensor:
    """Weights of new users, (N, K); one without pairs gets the crowd's.

    Args:
        model: stays as it is.
        tables: of the responses, see `PALModel.tables`.
        shots: pairs of N users.
        seed: of the start and of the order of the pairs.
    """
    shots, generator = shots.in_order(), draws.generator(seed)
    centre = drawn_to(model, tables, shots)
    start = model.new_user.start(centre, generator)
    weights = centre.clone()
    batches = model.new_user.batches(shots.counts)
    with Bar("weights", shots.n_users, "user") as bar:
        for n in batches[batches > 0].unique().tolist():
            for users in (batches == n).nonzero().flatten().split(USERS):
                pairs = shots.of_users(users)
                here = start[users], centre[users]
                weights[users] = fit_weights(model, tables, pairs, here, n, generator)
                bar.step(len(pairs) * model.new_user.epochs, len(users))
    return weights


def drawn_to(model: Frozen, tables: Any, shots: Preferences) -> Tensor:
    """Where each new user is drawn to, (N, K); somebody without pairs to the crowd's mean."""
    if model.new_user.centre == "crowd":
        return model.crowd.repeat(shots.n_users, 1)
    rows, position = torch.cat([shots.chosen, shots.rejected]).unique(return_inverse=True)
    chosen, rejected = position.chunk(2)
    scores = everybodys_rewards(model, tables, rows)
    like = likeness(lambda b: scores[chosen[b]] - scores[rejected[b]], shots, scores.shape[1])
    return like.to(model.personal) @ model.personal


def everybodys_rewards(model: Frozen, tables: Any, rows: Tensor) -> Tensor:
    """What some responses are worth to every seen user, (R, N')."""
    blocks = model.personal.split(SEEN)
    items = (model.items(tables, rows.expand(len(weights), -1)) for weights in blocks)
    return torch.cat([model.rewards(*both) for both in zip(items, blocks, strict=True)]).T


@torch.enable_grad()
def fit_weights(
    model: Frozen,
    tables: Any,
    pairs: Preferences,
    here: tuple[Tensor, Tensor],
    n_batches: int,
    generator: torch.Generator,
) -> Tensor:
    """Weights of users who all have pairs for so many batches, (N, K).

    Args:
        model, tables, generator: as in `fit_new_users`.
        pairs: of N users.
        here: logits (N, K) to start from, and the weights (N, K) that they are drawn to.
        n_batches: of each user's pairs.
    """
    start, centre = here
    logits = start.clone().requires_grad_()
    optimizer = torch.optim.AdamW([logits], model.new_user.learning_rate)
    positions, exists = padded(pairs.user, pairs.n_users)
    for _ in range(model.new_user.epochs):
        for columns in model.new_user.order(exists, generator)[:n_batches]:
            place, mask = positions.gather(1, columns), exists.gather(1, columns)
            rows = torch.cat([pairs.chosen[place], pairs.rejected[place]], 1)
            away = cross_entropy(centre, logits.log_softmax(-1)).sum() / n_batches
            loss = batch_loss(model, model.items(tables, rows), mask, logits, away)
            (logits.grad,) = torch.autograd.grad(loss, [logits])
            optimizer.step()
    return logits.detach().softmax(-1)


def batch_loss(model: Frozen, items: Any, mask: Tensor, logits: Tensor, away: Tensor) -> Tensor:
    """The loss of one batch of every user's pairs, with its share of the prior, `away`."""
    chosen, rejected = model.rewards(items, logits.softmax(-1)).chunk(2, dim=1)
    return model.losses(chosen - rejected)[mask].sum() + model.new_user.prior * away
