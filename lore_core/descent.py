"""Gradient descent on basis and logits, as a `Recipe` says."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from lore_core.objective import Objective
from lore_core.recipes import Recipe
from lore_core.run import Parameters, Run
from lore_core.tools.progress import Bar
from lore_core.training import finite, train


class Descent(NamedTuple):
    """Where a descent ended, and how it went.

    Args:
        parameters: basis and logits at the end.
        losses: the objective before each step, and last of all at the end.
        validation: the validation loss after each step; none without validation pairs.
        ridge_basis: of the objective.
    """

    parameters: Parameters
    losses: list[float]
    validation: list[float]
    ridge_basis: float

    def is_better(self, other: Descent, tolerance: float) -> bool:
        """Whether its best validation loss is lower, by more than a share of the other one's."""
        mine, others = (min(run.validation, default=math.inf) for run in (self, other))
        return mine < others * (1 - tolerance)


class Keeper:
    """Looks on at descents. This one does nothing; others keep checkpoints."""

    def begin(self, run: Run) -> None:
        """Before the first step; may load an earlier state of the same run."""

    def go_on(self, run: Run) -> None:
        """After each step but the last."""

    def end(self, run: Run) -> None:
        """After the last step."""


def best_descent(
    objective: Objective,
    held_out: Objective | None,
    basis: Tensor,
    logits: Tensor,
    keeper: Keeper | None = None,
) -> Descent:
    """Descend with the recipe's first ridge, then with stronger ones while validation improves.

    Every descent begins at the same start: the best one is that of a recipe which has the chosen
    ridge alone.

    Args:
        objective, held_out, basis, logits, keeper: as in `descend`.
    """
    recipe = objective.recipe
    with Bar() as bar:
        best = descend(objective, held_out, basis, logits, keeper, bar)
        for ridge in recipe.ridges[1:] if held_out else ():
            stronger = replace(objective, recipe=replace(recipe, ridge_basis=ridge))
            found = descend(stronger, held_out, basis, logits, keeper, bar)
            if not found.is_better(best, recipe.tolerance):
                break
            best = found
    return best


def descend(
    objective: Objective,
    held_out: Objective | None,
    basis: Tensor,
    logits: Tensor,
    keeper: Keeper | None = None,
    bar: Bar | None = None,
) -> Descent:
    """Run the recipe's optimiser on the objective, early stopping on the held-out one.

    Args:
        objective: of the training pairs.
        held_out: of the validation pairs, or None.
        basis, logits: where to start.
        keeper: looks on, or None.
        bar: shows how far it is, or None.
    """
    run, keeper = Run(objective, held_out, basis, logits, bar), keeper or Keeper()
    keeper.begin(run)
    if bar is not None:
        bar.begin(f"ridge {objective.recipe.ridges[0]:g}", objective.recipe.steps, len(run.losses))
    if not run.over:
        go_down(run, keeper)
    return Descent(run.parameters, run.losses, run.validation, objective.recipe.ridges[0])


def go_down(run: Run, keeper: Keeper) -> None:
    """Take the steps that are left."""
    recipe, remedy = run.objective.recipe, remedies(run.objective.recipe)
    losses = train(
        run.take_step,
        recipe.steps,
        remedy,
        run.stopping,
        settled=lambda losses: settled(losses, recipe),
        losses=run.losses,
        bar=run.bar,
        go_on=lambda: keeper.go_on(run),
    )
    with torch.no_grad():
        last = run.objective(run.parameters.basis, run.parameters.logits, len(losses) - 1)
    losses.append(finite(float(last), len(losses), remedy))
    run.over = True
    keeper.end(run)


def remedies(recipe: Recipe) -> str:
    """What helps when the loss is not a number."""
    remedy = "smaller embeddings, a smaller start, rescale=True, or a larger temperature"
    if recipe.learning_rate is None:
        return remedy
    return f"a learning rate below {recipe.learning_rate:g}, {remedy}"


def settled(losses: list[float], recipe: Recipe) -> bool:
    """Whether L-BFGS has settled: its last step lowered the loss by less than the tolerance.

    Adam's small steps say nothing about that, and an anchor that has yet to come makes a new start.
    """
    waiting = recipe.anchor > 0 and len(losses) <= recipe.anchor_warmup[1] * recipe.steps + 1
    if recipe.optimizer != "lbfgs" or waiting or len(losses) < 2:
        return False
    return 0 <= losses[-2] - losses[-1] < recipe.tolerance * losses[-1]
