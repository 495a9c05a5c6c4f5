"""Gradient descent on basis and logits, as a `Recipe` says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from lore_core.objective import Objective
from lore_core.recipes import Recipe
from lore_core.tools.checks import number
from lore_core.training import EarlyStopping, finite, train


class Parameters(nn.Module):
    """What the descent moves: the basis V (d, K) and the logits l (N, K)."""

    def __init__(self, basis: Tensor, logits: Tensor):
        super().__init__()
        self.basis = nn.Parameter(basis.detach().clone())
        self.logits = nn.Parameter(logits.detach().clone())


def descend(
    objective: Objective, held_out: Objective | None, basis: Tensor, logits: Tensor
) -> tuple[Parameters, list[float], list[float]]:
    """Run the recipe's optimiser on the objective, early stopping on the held-out one.

    Args:
        objective: of the training pairs.
        held_out: of the validation pairs, or None.
        basis, logits: where to start.

    Returns:
        The parameters, the loss before each step and at the end, and the validation losses.
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
    return parameters, losses, stopping.losses if stopping else []


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
        return torch.optim.LBFGS(parameters, max_iter=10, line_search_fn="strong_wolfe")
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
