"""PerFit and its rivals as recipes, and their answers to a personal task.

Shapes: n items to answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from lore_core.perfit import fit as perfit
from lore_core.perfit.recipe import Recipe
from lore_core.perfit.shifted import Shifted
from lore_core.tasks import contest
from lore_core.tasks.contest import Given

OURS = Recipe()


def answered(shifted: Shifted, given: Given, seed: int, part: str = "test") -> Tensor:
    """The label of each item of a part, (n,); new users are adapted first.

    Args:
        shifted: for the seen users.
        given: the task, and what the network reads.
        seed: of the adaptation's draws.
        part: "test" or "validation".
    """

    def new() -> contest.Predict:
        return perfit.adapt(shifted, given.new, seed).predict

    return contest.answered(given, part, shifted.predict, new)


def stage_by_stage(given: Given, recipe: Recipe, seed: int) -> Iterator[tuple[str, Shifted]]:
    """The network after each stage that the recipe has; "base" is before the first."""
    shifted = perfit.fit(given.net, given.seen, recipe.up_to(None), seed)
    yield "base", shifted
    for stage in recipe.stages:
        shifted = perfit.further(shifted, given.seen, recipe.up_to(stage), seed)
        yield stage, shifted
