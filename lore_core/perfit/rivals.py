"""PerFit and its rivals as recipes, and their answers to a personal task.

LoRA for everybody, LoRA for each user, and PROPER are in `proper.rivals`, under the same protocol.

Shapes: N users, d features of a state, n items to answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from lore_core.perfit import fit as perfit
from lore_core.perfit.recipe import PAPER, PERSONAL, SHARED, Recipe
from lore_core.perfit.shifted import Shifted
from lore_core.tasks import contest
from lore_core.tasks.contest import Given
from lore_core.tools import checks

OURS = Recipe()
BOTH = SHARED.rank + PERSONAL.rank
AS_LONG = SHARED.passes + PERSONAL.passes

# Name of the family -> its recipe. The first gives the rows of stage 1 alone and of both stages;
# without stages there is one φ for everybody, as wide and trained for as many passes as both.
FAMILIES: dict[str, Recipe] = {
    "shifts": OURS,
    "beside": replace(OURS, composition="beside"),
    "random start": replace(OURS, user_start="random"),
    "shared start": replace(OURS, user_start="shared"),
    "stage 2 alone": replace(OURS, shared=None),
    "stage 2 alone, wide": replace(OURS, shared=None, personal=replace(PERSONAL, rank=BOTH)),
    "without stages": replace(
        OURS, shared=replace(SHARED, rank=BOTH, passes=AS_LONG), personal=None
    ),
    "as published": PAPER,
}


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


def mean_shift(given: Given, shifts: Tensor, part: str = "test", own: bool = False) -> Tensor:
    """The label of each item of a part, (n,), if states are moved as a profile moved them.

    Nothing is trained: the base reads x + v̄, or x + v_i.

    Args:
        given: the task, and what the network reads.
        shifts: (N, d) v_i, how far a profile in the prompt moved the states of each user in the
            mean, seen users first; a row of NaN for a user of whom none was observed.
        part: "test" or "validation".
        own: add v_i where it was observed; else v̄, the mean over seen users, for everybody.

    Raises:
        ValueError: there is not one row for each user, or none of a seen one.
    """
    shifts = checks.tensor("shifts", shifts).float()
    wanted = (given.task.n_users, given.state.shape[1])
    if tuple(shifts.shape) != wanted:
        raise ValueError(f"shifts has shape {tuple(shifts.shape)}, expected {wanted}")
    observed = ~shifts.isnan().any(1)
    known = observed & ~given.task.cold
    if not known.any():
        raise ValueError("shifts has no row without NaN of a seen user; observe some")
    mean = shifts[known].mean(0)
    moves = shifts.where(observed[:, None], mean) if own else mean.expand(wanted)
    state, user = given.asked(part)
    with torch.no_grad():
        shares = given.net(state + moves[user]).softmax(1)
    return contest.likeliest(shares, given.task.ordered)
