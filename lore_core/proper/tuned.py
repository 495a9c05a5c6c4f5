"""A network that was tuned for a crowd, its groups and its people.

Shapes: n inputs, L labels, N users, M experts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lore_core.proper.inject import Injected
from lore_core.proper.linear import ProperLinear
from lore_core.proper.recipe import Recipe
from lore_core.proper.routers import FixedRouter, Router
from lore_core.proper.train import TOGETHER
from lore_core.tasks.items import Items
from lore_core.tools import checks


@dataclass
class Tuned:
    """A network with adapters in some of its linear layers.

    Args:
        net: the network; its linear layers were replaced.
        injected: the layers that took their place, and for whom a batch is.
        recipe: how it was made.
        n_users: N, whose adapters it holds.
        prior: (M,) mean share of the seen users in each group.
        starts: of each layer the rows in which users' adapters start.
        rerouters: of each layer the router of stage 3.2, where there is one.
        curves: mean loss of each pass, by stage.
    """

    net: nn.Module
    injected: Injected
    recipe: Recipe
    n_users: int
    prior: Tensor | None = None
    starts: dict[str, Tensor] = field(default_factory=dict)
    rerouters: dict[str, Router] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)

    @property
    def layers(self) -> dict[str, ProperLinear]:
        """The adapted layers, by name."""
        return self.injected.layers

    def losses(self, items: Items) -> Callable[[Tensor], Tensor]:
        """Rows of the items -> their losses, each as its own user's."""

        def of_rows(rows: Tensor) -> Tensor:
            self.injected.who.user = items.user[rows]
            return items.losses(self.net, rows)

        return of_rows

    @torch.no_grad()
    def all_losses(self, items: Items) -> Tensor:
        """The loss of every item, (n,)."""
        losses, rows = self.losses(items), torch.arange(len(items))
        return (
            torch.cat([losses(some) for some in rows.split(TOGETHER)])
            if len(rows)
            else torch.zeros(0)
        )

    @torch.no_grad()
    def residual(self, items: Items) -> Tensor:
        """How far the items' targets are from what the network expects, (n, c)."""
        self.injected.who.user = items.user
        return items.residual(self.net, torch.arange(len(items)))

    @torch.no_grad()
    def inputs(self, items: Items) -> dict[str, Tensor]:
        """What each layer reads at every item, (n, i); of a text the mean over its tokens."""
        found: dict[str, list[Tensor]] = {name: [] for name in self.layers}
        with listening(self.layers, lambda name, x: found[name].append(per_item(x))):
            self.all_losses(items)
        return {name: torch.cat(parts) for name, parts in found.items()}

    @torch.no_grad()
    def probabilities(self, inputs: Tensor, user: Tensor) -> Tensor:
        """p(label | input, user), (n, L).

        Args:
            inputs: (n, ...) what the network reads.
            user: (n,) for whom.

        Raises:
            ValueError: a user is unknown; says how to adapt.
        """
        user = self.known(user)
        checks.same_length("user", user, "inputs", inputs)
        parts = []
        for rows in torch.arange(len(user)).split(TOGETHER):
            self.injected.who.user = user[rows]
            parts.append(self.net(inputs[rows]).softmax(1))
        return torch.cat(parts)

    def predict(self, inputs: Tensor, user: Tensor, ordered: bool) -> Tensor:
        """The label for each input, (n,): the median of ordered labels, else the likeliest."""
        shares = self.probabilities(inputs, user)
        return (shares.cumsum(1) < 0.5).sum(1) if ordered else shares.argmax(1)

    def known(self, user: Tensor) -> Tensor:
        """The users themselves.

        Raises:
            ValueError: one of them has no adapter here.
        """
        user = checks.index_vector("user", user)
        if len(user) and int(user.max()) >= self.n_users:
            raise ValueError(
                f"user {int(user.max())} is unknown here, where users are 0 to {self.n_users - 1}; "
                "bring a new user's items to `adapt`, and predict with what it returns"
            )
        return user

    def route(self, shares: Tensor) -> None:
        """Send every user to the experts by fixed shares (N, M), in all layers."""
        for layer in self.layers.values():
            layer.router = FixedRouter(shares)

    @property
    def shares(self) -> Tensor | None:
        """Everybody's fixed shares in the experts, (N, M); None where a router decides."""
        router = next(iter(self.layers.values())).router
        return router.table if isinstance(router, FixedRouter) else None

    @torch.no_grad()
    def routes(self, items: Items) -> dict[str, Tensor]:
        """Each user's mean share in the experts over some items, by layer, (N, M)."""
        count = items.user.bincount(minlength=items.n_users).clamp(min=1)[:, None]
        found: dict[str, Tensor] = {}
        losses = self.losses(items)
        for rows in torch.arange(len(items)).split(TOGETHER):
            losses(rows)
            for name, shares in self.injected.shares().items():
                total = found.setdefault(name, shares.new_zeros(items.n_users, shares.shape[-1]))
                total.index_add_(0, items.user[rows], per_item(shares))
        return {name: total / count for name, total in found.items()}


@contextmanager
def listening(
    layers: dict[str, ProperLinear], hear: Callable[[str, Tensor], object]
) -> Iterator[None]:
    """Hear what every layer reads."""
    handles = [
        layer.register_forward_pre_hook(lambda _, args, name=name: hear(name, args[0]))
        for name, layer in layers.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def per_item(x: Tensor) -> Tensor:
    """(n, ..., i) as (n, i): the mean over what lies between."""
    return x.detach().flatten(1, -2).mean(1) if x.ndim > 2 else x.detach()
