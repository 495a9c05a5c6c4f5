"""PerFit: one shift of hidden states for everybody, then a small one for each user.

Source: PerFit (ICLR 2026, OpenReview Lwn67fk9e1).
"""

from __future__ import annotations

import torch
from torch import nn

from lore_core.perfit import stages
from lore_core.perfit.attach import STATE, block_of
from lore_core.perfit.moved import units
from lore_core.perfit.nudge import Nudge
from lore_core.perfit.recipe import STAGES, Recipe
from lore_core.perfit.shifted import Shifted
from lore_core.tasks.items import Items
from lore_core.tools import checks, draws


def fit(
    net: nn.Module, items: Items, recipe: Recipe | None = None, seed: int = 0, first: int = 0
) -> Shifted:
    """Learn to move a network's states for seen users, stage by stage.

    Args:
        net: a decoder of transformers, or a network that reads states; it stays as it is.
        items: what the seen users said.
        recipe: default `Recipe()`.
        seed: of all draws.
        first: the number of the network's first block, for an upper part of a model.

    Raises:
        ValueError: there is no item, no such block, or a rank is larger than d.
        FloatingPointError: a loss is NaN or infinite.
    """
    recipe = Recipe() if recipe is None else recipe
    checks.instance_of("recipe", recipe, Recipe)
    for layer in recipe.layers:
        block_of(net, layer, first)
    names = [str(layer) for layer in recipe.layers] or [STATE]
    nudges = {name: Nudge(composition=recipe.composition) for name in names}
    bare = Shifted(net, nudges, recipe.up_to(None), items.n_users, first)
    return further(bare, items, recipe, seed)


def further(shifted: Shifted, items: Items, recipe: Recipe, seed: int = 0) -> Shifted:
    """Train the stages that a recipe has and a network lacks. Stage by stage is as all at once.

    Args:
        shifted: with the first stage, or none; it stays as it is.
        items: what the seen users said.
        recipe: of both stages; one that was trained counts as it is.
        seed: of all draws.

    Raises:
        ValueError: there is no item, or a rank is larger than d.
        FloatingPointError: a loss is NaN or infinite.
    """
    if len(items) == 0:
        raise ValueError("items is empty; give at least one item of a seen user")
    found = shifted.copy()
    found.recipe = recipe
    if recipe.coordinates == "raw":
        found.units = {}
    elif recipe.stages and not found.units:
        found.units = units(found, items)
    for place, name in enumerate(STAGES):
        if name in recipe.stages and name not in shifted.recipe.stages:
            getattr(stages, name)(found, items, getattr(recipe, name), draws_of(seed, place))
    return found


def adapt(shifted: Shifted, items: Items, seed: int = 0) -> Shifted:
    """The same network for new users: φ_c as it is, and φ_u from their items.

    Args:
        shifted: from `fit`; it stays as it is.
        items: of the new users, who are counted from 0. A user without items gets φ_c alone.
        seed: of all draws.
    """
    found = shifted.copy()
    found.n_users = items.n_users
    if found.recipe.personal is not None:
        stages.users(found, items, found.recipe.personal, seed)
    return found


def draws_of(seed: int, place: int) -> torch.Generator:
    """The draws of one stage, which do not depend on those of another."""
    return draws.generator(int(draws.order(draws.generator(seed), 2**16)[place]))
