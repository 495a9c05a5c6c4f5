"""The three stages. Each adds a part to every adapted layer, trains it, and leaves the rest alone.

Shapes: N users, M experts, i features that a layer reads, o that it returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lore_core.proper import posterior
from lore_core.proper.informed import directions
from lore_core.proper.linear import ProperLinear
from lore_core.proper.low_rank import LowRank, LowRanks
from lore_core.proper.penalty import constraint
from lore_core.proper.recipe import Recipe, Stage
from lore_core.proper.routers import FixedRouter, LoraRouter, Router, UserRouter
from lore_core.proper.tuned import Tuned, keeping
from lore_core.tasks.descent import descend
from lore_core.tasks.items import Items


def population(tuned: Tuned, items: Items, stage: Stage, source: torch.Generator) -> None:
    """Stage 1: one adapter for everybody, then part of the layer's own weights."""
    for layer in tuned.layers.values():
        layer.population = LowRank(stage.rank, *sides(layer), stage.alpha, source)
    train(tuned, items, stage, "population", ["population"], source)
    tuned.injected.merge_population()


def group(
    tuned: Tuned, items: Items, stage: Stage, source: torch.Generator, given: Tensor | None
) -> None:
    """Stage 2: M experts, and how users come to them."""
    recipe = tuned.recipe
    starts = starts_of(tuned, items, stage.rank, recipe.start)
    routers = routers_of(tuned, items, source, given)
    for name, layer in tuned.layers.items():
        layer.experts = many(layer, recipe.n_experts, stage, source, starts.get(name))
        layer.router, layer.average, layer.dropout = routers[name], recipe.average, stage.dropout
    for _ in range(recipe.rounds if recipe.routes == "posterior" else 1):
        train(tuned, items, stage, "group", ["experts", "router"], source)
        if recipe.routes == "posterior":
            tuned.route(posterior.of(tuned, items, posterior.mean_share(tuned)))
    tuned.prior = posterior.mean_share(tuned)


def person(tuned: Tuned, items: Items, stage: Stage, source: torch.Generator) -> None:
    """Stage 3.1: one adapter for each user."""
    if not tuned.starts:
        start = tuned.recipe.person_start or tuned.recipe.start
        tuned.starts = starts_of(tuned, items, stage.rank, start)
    for name, layer in tuned.layers.items():
        layer.personal = many(layer, items.n_users, stage, source, tuned.starts.get(name))
        layer.dropout = stage.dropout
    train(tuned, items, stage, "person", ["personal"], source)


def reroute(tuned: Tuned, items: Items, stage: Stage, source: torch.Generator) -> None:
    """Stage 3.2: a router that reads what the user's own adapter adds."""
    fitted = tuned.recipe.reroute_start == "fitted"
    starts = posterior.rerouting(tuned, items) if fitted else {}
    for name, layer in tuned.layers.items():
        tuned.second[name] = layer.router
        layer.router = router = LoraRouter(tuned.recipe.n_experts, sides(layer)[1], source)
        tuned.rerouters[name] = router
        if fitted:
            router.weight.data.copy_(starts[name])
    train(tuned, items, stage, "reroute", ["router"], source)


def newcomers(
    tuned: Tuned, items: Items, source: torch.Generator, given: Tensor | None = None
) -> None:
    """New users: routes and adapters of their own; all that is shared stays as it is."""
    recipe = tuned.recipe
    for name, layer in tuned.layers.items():
        layer.personal = None
        layer.router = tuned.second.get(name, layer.router)
    if recipe.group is not None and recipe.routes == "published":
        welcome(tuned, items, recipe.group, source)
    elif recipe.group is not None:
        tuned.route(posterior.of_new(tuned, items, given))
    if recipe.person is not None:
        person(tuned, items, recipe.person, source)
    for name, router in tuned.rerouters.items():
        tuned.layers[name].router = router


def welcome(tuned: Tuned, items: Items, stage: Stage, source: torch.Generator) -> None:
    """New users at the published router: their vectors start at the mean of those it knows."""
    routers = [layer.router for layer in tuned.layers.values()]
    known = [r for r in routers if isinstance(r, UserRouter) and r.table is not None]
    tables = [router.meet(items.n_users) for router in known]
    if tables:
        name, together = "new users' vectors", items.together
        descend(tables, tuned.losses(items), items.user, stage, source, name, together=together)


def train(
    tuned: Tuned, items: Items, stage: Stage, name: str, moving: list[str], source: torch.Generator
) -> None:
    """Descend on the items' losses with some parts of all layers; remember the curve."""
    for layer in tuned.layers.values():
        layer.to(layer.base.weight.device)  # the parts that were added are made on the CPU
    weights = tuned.injected.train_only(*moving)
    tuned.injected.who.source = source
    tuned.net.train()
    more: dict[str, Any] = {"together": items.together}
    if "router" in moving:
        more |= {"penalty": penalty_of(tuned), "after_pass": tuned.note_entropy}
    with keeping(tuned, items):
        curve = descend(weights, tuned.losses(items), items.user, stage, source, name, **more)
    tuned.net.eval()
    tuned.curves[name] = tuned.curves.get(name, []) + curve


def penalty_of(tuned: Tuned) -> Callable[[], Tensor] | None:
    """The published constraint on the routes, where the recipe has one."""
    recipe, injected = tuned.recipe, tuned.injected
    if recipe.penalty == 0:
        return None
    detached = recipe.gradient == "detached"
    c, who = recipe.penalty, injected.who
    return lambda: constraint(injected.shares().values(), who.counted, c, detached)


def starts_of(tuned: Tuned, items: Items, r: int, start: str) -> dict[str, Tensor]:
    """Of each layer the rows (r, i) in which A starts, where they are to be informed."""
    if start == "random":
        return {}
    residual = tuned.residual(items)
    if residual is None:
        raise ValueError(
            'start is "informed", but these items are texts, which have no residual to be informed '
            'by; take a recipe with start="random"'
        )
    inputs = tuned.inputs(items)
    return {
        name: directions(x, residual, items.user, items.n_users, r) for name, x in inputs.items()
    }


def many(
    layer: ProperLinear, n: int, stage: Stage, source: torch.Generator, start: Tensor | None
) -> LowRanks:
    """n adapters of a layer, all starting in the same rows where some are given."""
    found = LowRanks(n, stage.rank, *sides(layer), stage.alpha, source)
    if start is not None:
        found.A.data.copy_(start.expand_as(found.A))
    return found


def routers_of(
    tuned: Tuned, items: Items, source: torch.Generator, given: Tensor | None
) -> dict[str, Router]:
    """The router of each layer, as stage 2 starts."""
    recipe = tuned.recipe
    if recipe.routes != "published":
        shares = posterior.first(tuned, items, source, given)
        return {name: FixedRouter(shares) for name in tuned.layers}
    means = tuned.inputs(items) if recipe.user_start == "means" else {}
    found: dict[str, Router] = {}
    for name, layer in tuned.layers.items():
        found[name] = router = published(recipe, items.n_users, layer.base.in_features, source)
        if means and router.table is not None:
            router.table.data.copy_(posterior.user_means(means[name], items))
    return found


def published(recipe: Recipe, n_users: int, i: int, source: torch.Generator) -> UserRouter:
    """The published router, or the half of it that the recipe has."""
    use_input, use_user = recipe.reads != "user", recipe.reads != "input"
    return UserRouter(recipe.n_experts, n_users, i, source, recipe.softmax, use_input, use_user)


def sides(layer: ProperLinear) -> tuple[int, int]:
    """How many numbers go into a layer, and how many come out."""
    return layer.base.in_features, layer.base.out_features
