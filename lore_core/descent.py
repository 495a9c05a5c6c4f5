"""Gradient descent on basis and logits, as a `Recipe` says."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lore_core.objective import Objective
from lore_core.recipes import Recipe
from lore_core.tools.checks import number
from lore_core.training import EarlyStopping, finite, train

REMEMBERED = 2**22  # numbers: bounds the memory of L-BFGS, and the time of its iterations


class Parameters(nn.Module):
    """What the descent moves: the basis V (d, K) and the logits l (N, K)."""

    def __init__(self, basis: Tensor, logits: Tensor):
        super().__init__()
        self.basis = nn.Parameter(basis.detach().clone())
        self.logits = nn.Parameter(logits.detach().clone())


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


def best_descent(
    objective: Objective, held_out: Objective | None, basis: Tensor, logits: Tensor
) -> Descent:
    """Descend with the recipe's first ridge, then with stronger ones while validation improves.

    Every descent begins at the same start: the best one is that of a recipe which has the chosen
    ridge alone.

    Args:
        objective, held_out, basis, logits: as in `descend`.
    """
    recipe = objective.recipe
    best = descend(objective, held_out, basis, logits)
    for ridge in recipe.ridges[1:] if held_out else ():
        stronger = replace(objective, recipe=replace(recipe, ridge_basis=ridge))
        found = descend(stronger, held_out, basis, logits)
        if not found.is_better(best, recipe.tolerance):
            break
        best = found
    return best


def descend(
    objective: Objective, held_out: Objective | None, basis: Tensor, logits: Tensor
) -> Descent:
    """Run the recipe's optimiser on the objective, early stopping on the held-out one.

    Args:
        objective: of the training pairs.
        held_out: of the validation pairs, or None.
        basis, logits: where to start.
    """
    recipe = objective.recipe
    parameters = Parameters(basis, logits)
    stopping = early_stopping(parameters, held_out, recipe)
    remedy = remedies(recipe)
    losses = train(
        stepper(objective, parameters),
        recipe.steps,
        remedy,
        stopping,
        settled=lambda losses: settled(losses, recipe),
    )
    with torch.no_grad():
        last = objective(parameters.basis, parameters.logits, len(losses) - 1)
    losses.append(finite(float(last), len(losses), remedy))
    return Descent(
        parameters=parameters,
        losses=losses,
        validation=stopping.losses if stopping else [],
        ridge_basis=recipe.ridges[0],
    )


def early_stopping(
    parameters: Parameters, held_out: Objective | None, recipe: Recipe
) -> EarlyStopping | None:
    """Early stopping as the recipe asks for it, where `fit` found pairs to hold out."""
    if held_out is None:
        return None

    @torch.no_grad()
    def validate() -> float:
        return float(held_out.nll(parameters.basis, parameters.logits))

    return EarlyStopping(parameters, validate, recipe.patience, recipe.tolerance)


def stepper(objective: Objective, parameters: Parameters) -> Callable[[int], float]:
    """A function from step number to loss that moves the parameters one optimiser step on."""
    recipe = objective.recipe
    groups: list[list[nn.Parameter]] = [[parameters.basis, parameters.logits]]
    if recipe.optimizer == "alternating":  # first l with V fixed, then V with the new l fixed
        groups = [[parameters.logits], [parameters.basis]]
    optimizers = [make_optimizer(recipe, group) for group in groups]

    def take_step(step: int) -> float:
        losses = []
        for optimizer, group in zip(optimizers, groups, strict=True):
            closure = partial(backward, objective, parameters, group, step)
            losses.append(optimizer.step(closure))  # type: ignore[arg-type]
        return float(losses[0])  # the loss before anything moved

    return take_step


def backward(
    objective: Objective, parameters: Parameters, group: list[nn.Parameter], step: int
) -> Tensor:
    """The loss, and its gradient into a group of parameters: what optimisers call a closure."""
    loss = objective(parameters.basis, parameters.logits, step)
    for tensor, gradient in zip(group, torch.autograd.grad(loss, group), strict=True):
        tensor.grad = gradient
    return loss.detach()


def make_optimizer(recipe: Recipe, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The torch optimiser that the recipe names."""
    if recipe.optimizer == "lbfgs":
        # A hundred iterations, as torch has it; fewer of a large fit, for which ten do as well.
        history = REMEMBERED // sum(tensor.numel() for tensor in parameters)
        return torch.optim.LBFGS(
            parameters,
            max_iter=10,
            history_size=min(100, max(10, history)),
            line_search_fn="strong_wolfe",
        )
    return torch.optim.Adam(parameters, lr=number("learning_rate", recipe.learning_rate))


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
