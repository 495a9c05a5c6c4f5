"""PROPER: from the crowd through groups to the person (arXiv 2503.01303)."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lore_core.proper import stages
from lore_core.proper.inject import inject
from lore_core.proper.linear import ProperLinear
from lore_core.proper.recipe import STAGES, Recipe
from lore_core.proper.tuned import Tuned
from lore_core.tasks.items import Items
from lore_core.tools import checks, draws

MLP = ("gate_proj", "up_proj", "down_proj")


def fit(
    net: nn.Module,
    items: Items,
    recipe: Recipe | None = None,
    seed: int = 0,
    names: Sequence[str] = MLP,
    group: Tensor | None = None,
) -> Tuned:
    """Tune a network for seen users, stage by stage.

    Args:
        net: any network; it is copied and stays as it is.
        items: what the seen users said.
        recipe: default `Recipe()`.
        seed: of all draws.
        names: which linear layers are adapted, by the ends of their names.
        group: (N,) true groups, for `routes="given"` alone.

    Raises:
        ValueError: no layer has such a name, or an adapter's rank is larger than a side.
        FloatingPointError: a loss is NaN or infinite.
    """
    recipe = Recipe() if recipe is None else recipe
    checks.instance_of("recipe", recipe, Recipe)
    own = copy.deepcopy(net).eval().requires_grad_(False)
    injected = inject(own, names, lambda _, linear: ProperLinear(linear))
    bare = Tuned(own, injected, recipe.up_to(None), items.n_users)
    return further(bare, items, recipe, seed, group)


def further(
    tuned: Tuned,
    items: Items,
    recipe: Recipe,
    seed: int = 0,
    group: Tensor | None = None,
) -> Tuned:
    """Train the stages that a recipe has and a network lacks. Stage by stage is as all at once.

    Args:
        tuned: with the first stages, or none; it stays as it is.
        items: what the seen users said.
        recipe: of all stages; those that were trained count as they are.
        seed: of all draws.
        group: (N,) true groups, for `routes="given"` alone.
    """
    found = copy.deepcopy(tuned)
    complete(found, items, recipe, seed, group)
    return found


def complete(
    tuned: Tuned, items: Items, recipe: Recipe, seed: int = 0, group: Tensor | None = None
) -> None:
    """`further` in place, for a network that memory holds only once."""
    before, tuned.recipe = tuned.recipe.stages, recipe
    for place, name in enumerate(STAGES):
        if name in recipe.stages and name not in before:
            more = (group,) if name == "group" else ()
            source = draws_of(seed, place)
            getattr(stages, name)(tuned, items, getattr(recipe, name), source, *more)


def draws_of(seed: int, place: int) -> torch.Generator:
    """The draws of one stage, which do not depend on those of another."""
    return draws.generator(int(draws.order(draws.generator(seed), 2**16)[place]))


def adapt(tuned: Tuned, items: Items, seed: int = 0, group: Tensor | None = None) -> Tuned:
    """The same network for new users: what was learned of all stays, what is theirs is learned.

    Args:
        tuned: from `fit`; it stays as it is.
        items: of the new users, who are counted from 0. A user without items gets the mean share in
            every group.
        seed: of all draws.
        group: (N,) true groups, for `routes="given"` alone.
    """
    found = copy.deepcopy(tuned)
    found.n_users = items.n_users
    stages.newcomers(found, items, draws.generator(seed), group)
    return found
