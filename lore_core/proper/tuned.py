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
from lore_core.proper.penalty import mean_shares
from lore_core.proper.recipe import Recipe
from lore_core.proper.routers import FixedRouter, Router
from lore_core.tasks.contest import likeliest
from lore_core.tasks.items import Items
from lore_core.tasks.known import known
from lore_core.tools import checks

ROWS = 1024  # inputs that are answered at once


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
        second: of each layer the router of stage 2, where stage 3.2 has put another in its place.
        curves: mean loss of each pass, by stage.
        entropies: of the routes of the last batch of each pass in which experts or routers moved,
            in nats, mean over users and layers.
    """

    net: nn.Module
    injected: Injected
    recipe: Recipe
    n_users: int
    prior: Tensor | None = None
    starts: dict[str, Tensor] = field(default_factory=dict)
    rerouters: dict[str, Router] = field(default_factory=dict)
    second: dict[str, Router | None] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    entropies: list[float] = field(default_factory=list)

    @property
    def layers(self) -> dict[str, ProperLinear]:
        """The adapted layers, by name."""
        return self.injected.layers

    def losses(self, items: Items) -> Callable[[Tensor], Tensor]:
        """Rows of the items -> their losses, each as its own user's."""

        def of_rows(rows: Tensor) -> Tensor:
            who = self.injected.who
            who.user, who.counted, who.rows = items.user[rows], items.counted(rows), rows
            return items.losses(self.net, rows)

        return of_rows

    @torch.no_grad()
    def all_losses(self, items: Items) -> Tensor:
        """The loss of every item, (n,)."""
        losses, rows = self.losses(items), torch.arange(len(items))
        return (
            torch.cat([losses(some) for some in rows.split(items.together)])
            if len(rows)
            else torch.zeros(0)
        )

    @torch.no_grad()
    def residual(self, items: Items) -> Tensor | None:
        """How far the items' targets are from what the network expects, (n, c); None for texts."""
        self.injected.who.user = items.user
        return items.residual(self.net, torch.arange(len(items)))

    @torch.no_grad()
    def inputs(self, items: Items, only: str | None = None) -> dict[str, Tensor]:
        """What each layer reads at every item, (n, i); of a text the mean over its tokens.

        Args:
            items: what is read.
            only: the one layer that is wanted; default all.
        """
        layers = self.layers if only is None else {only: self.layers[only]}
        found: dict[str, list[Tensor]] = {name: [] for name in layers}
        who = self.injected.who
        with listening(layers, lambda name, x: found[name].append(per_item(x, who.counted))):
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
        user = checks.index_vector("user", user)
        checks.same_length("user", user, "inputs", inputs)
        known(user, self.n_users, len(inputs))
        parts = []
        for rows in torch.arange(len(user)).split(ROWS):
            self.injected.who.user = user[rows]
            parts.append(self.net(inputs[rows]).softmax(1))
        return torch.cat(parts)

    def predict(self, inputs: Tensor, user: Tensor, ordered: bool) -> Tensor:
        """The label for each input, (n,): the median of ordered labels, else the likeliest."""
        return likeliest(self.probabilities(inputs, user), ordered)

    def route(self, shares: Tensor) -> None:
        """Send every user to the experts by fixed shares (N, M), in all layers."""
        for layer in self.layers.values():
            layer.router = FixedRouter(shares).to(layer.base.weight.device)

    @property
    def shares(self) -> Tensor | None:
        """Everybody's fixed shares in the experts, (N, M); None where a router decides."""
        router = next(iter(self.layers.values())).router
        return router.table.cpu() if isinstance(router, FixedRouter) else None

    def note_entropy(self) -> None:
        """Note how even the routes of the last batch are."""
        counted = self.injected.who.counted
        shares = [per_item(shares, counted) for shares in self.injected.shares().values()]
        found = torch.stack([torch.special.entr(each).sum(1).mean() for each in shares])
        self.entropies.append(float(found.mean()))

    @torch.no_grad()
    def routes(self, items: Items) -> dict[str, Tensor]:
        """Each user's mean share in the experts over some items, by layer, (N, M)."""
        count = items.user.bincount(minlength=items.n_users).clamp(min=1)[:, None]
        found: dict[str, Tensor] = {}
        losses = self.losses(items)
        for rows in torch.arange(len(items)).split(items.together):
            losses(rows)
            for name, shares in self.injected.shares().items():
                empty = torch.zeros(items.n_users, shares.shape[-1], dtype=shares.dtype)
                total = found.setdefault(name, empty)
                read = per_item(shares, self.injected.who.counted)
                total.index_add_(0, items.user[rows], read)
        return {name: total / count for name, total in found.items()}


@contextmanager
def keeping(tuned: Tuned, items: Items) -> Iterator[None]:
    """Keep W0 x of all items in the layers whose x no training changes: half of the work.

    Which these are, the network says itself (`unmoved`).
    """
    names = unmoved(tuned.net) if len(items) else ()
    layers = {name: layer for name, layer in tuned.layers.items() if name in names}
    inputs = tuned.inputs(items) if layers else {}
    try:
        for name, layer in layers.items():
            layer.kept = layer.base(inputs[name])
        yield
    finally:
        for layer in layers.values():
            layer.kept = None


def unmoved(net: nn.Module) -> tuple[str, ...]:
    """The layers of a network that read what is not trained."""
    return getattr(net, "unmoved", ())


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


def per_item(x: Tensor, counted: Tensor | None) -> Tensor:
    """(n, t, i) as (n, i) on the CPU: the mean over the tokens that count, or over all."""
    x = x.detach()
    return mean_shares(x.float() if x.element_size() < 4 else x, counted).cpu()
