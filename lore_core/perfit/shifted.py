"""A network and what moves its states: for everybody, and for each user.

Shapes: n inputs, N users, d features, L labels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from lore_core.perfit.attach import Reading, attach
from lore_core.perfit.intervention import Units
from lore_core.perfit.nudge import Nudge
from lore_core.perfit.positions import Positions
from lore_core.perfit.recipe import Recipe
from lore_core.tasks.contest import likeliest
from lore_core.tasks.items import Items
from lore_core.tasks.known import known
from lore_core.tools import checks

ROWS = 1024  # inputs that are answered at once


@dataclass
class Shifted:
    """A network whose states are moved while it is asked; it stays as it is.

    Args:
        net: any decoder of transformers, or a network that reads states.
        nudges: what moves them, by place: the number of a block, or "state".
        recipe: how it was made.
        n_users: N, whose φ_u it holds.
        first: the number of the network's first block, for an upper part of a model.
        starts: of each place the rows (r, d) in which the R of users start.
        units: of the seen users' states, where φ was trained on standard ones.
        curves: mean loss of each pass, by stage.
    """

    net: nn.Module
    nudges: dict[str, Nudge]
    recipe: Recipe
    n_users: int
    first: int = 0
    starts: dict[str, Tensor] = field(default_factory=dict)
    units: dict[str, Units] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)

    def copy(self) -> Shifted:
        """The same with φ_c and φ_u of its own, on the same network."""
        nudges, curves = copy.deepcopy(self.nudges), copy.deepcopy(self.curves)
        starts, units = dict(self.starts), dict(self.units)
        return replace(self, nudges=nudges, starts=starts, units=units, curves=curves)

    @contextmanager
    def attached(self, net: Any = None) -> Iterator[Reading]:
        """Move the states as long as the context lasts, see `attach`.

        Args:
            net: another network with the same blocks, such as the whole model; default its own.
        """
        places, first = Positions.parse(self.recipe.positions), self.first if net is None else 0
        with attach(self.net if net is None else net, self.nudges, places, first) as reading:
            yield reading

    @contextmanager
    def losses(
        self, items: Items, order: Tensor | None = None
    ) -> Iterator[Callable[[Tensor], Tensor]]:
        """As long as the context lasts: rows of the items -> their losses, as their own users'.

        Args:
            items: of users.
            order: (N,) which φ_u is each user's; default that of the same number.
        """
        with self.attached() as reading, frozen(self.net):

            def of_rows(rows: Tensor) -> Tensor:
                user = items.user[rows]
                reading.user = user if order is None else order[user]
                reading.prompt = items.prompted(rows)
                return items.losses(self.net, rows)

            yield of_rows

    @torch.no_grad()
    def all_losses(self, items: Items) -> Tensor:
        """The loss of every item, (n,)."""
        with self.losses(items) as losses:
            parts = [losses(rows) for rows in torch.arange(len(items)).split(items.together)]
        return torch.cat(parts) if len(items) else torch.zeros(0)

    @torch.no_grad()
    def probabilities(self, inputs: Tensor, user: Tensor) -> Tensor:
        """p(label | input, user), (n, L).

        Args:
            inputs: (n, d) what the network reads.
            user: (n,) for whom.

        Raises:
            ValueError: a user is unknown; says how to adapt.
        """
        user = checks.index_vector("user", user)
        checks.same_length("user", user, "inputs", inputs)
        known(user, self.n_users, len(inputs))
        parts = []
        with self.attached() as reading:
            for rows in torch.arange(len(user)).split(ROWS):
                reading.user = user[rows]
                parts.append(self.net(inputs[rows]).softmax(1))
        return torch.cat(parts)

    def predict(self, inputs: Tensor, user: Tensor, ordered: bool) -> Tensor:
        """The label for each input, (n,): the median of ordered labels, else the likeliest."""
        return likeliest(self.probabilities(inputs, user), ordered)


def device_of(net: nn.Module) -> torch.device:
    """Where a network computes."""
    return next(net.parameters()).device


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """As long as the context lasts, the network asks for no gradient of its own."""
    before = [(weight, weight.requires_grad) for weight in net.parameters()]
    net.requires_grad_(False)
    try:
        yield
    finally:
        for weight, flag in before:
            weight.requires_grad_(flag)
