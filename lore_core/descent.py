"""Gradient descent on basis and logits, as a `Recipe` says."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lore_core.objective import Objective
from lore_core.recipes import Recipe


@dataclass(eq=False)
class Run:
    """Where the descent stands: the parameters, and the losses on the way."""

    basis: Tensor
    logits: Tensor
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


def descend(train: Objective, held_out: Objective | None, basis: Tensor, logits: Tensor) -> Run:
    """Run the recipe's optimiser on `train`, early stopping on `held_out`."""
    recipe = train.recipe
    run = Run(*(t.detach().clone().requires_grad_() for t in (basis, logits)))
    best = Best(run, held_out, recipe)
    take_step = stepper(train, run)
    for step in range(recipe.steps):
        run.losses.append(finite(take_step(step), step, recipe))
        if best.is_over(step) or converged(run.losses, recipe):
            break
    best.restore()
    with torch.no_grad():
        last = train(run.basis, run.logits, len(run.losses) - 1)
    run.losses.append(finite(last, len(run.losses), recipe))
    return run


def stepper(train: Objective, run: Run) -> Callable[[int], float]:
    """A function from step number to loss that moves `run` one optimiser step on."""
    recipe = train.recipe
    groups = [[run.basis, run.logits]]
    if recipe.optimizer == "alternating":  # first l with V fixed, then V with the new l fixed
        groups = [[run.logits], [run.basis]]
    optimizers = [make_optimizer(recipe, group) for group in groups]

    def backward(group, step):  # what torch's optimisers call a closure
        loss = train(run.basis, run.logits, step)
        for tensor, gradient in zip(group, torch.autograd.grad(loss, group), strict=True):
            tensor.grad = gradient
        return loss.detach()

    def take_step(step):
        pairs = zip(optimizers, groups, strict=True)
        return [float(o.step(lambda g=g: backward(g, step))) for o, g in pairs][0]

    return take_step


def make_optimizer(recipe: Recipe, parameters: list[Tensor]) -> torch.optim.Optimizer:
    """The torch optimiser that the recipe names."""
    if recipe.optimizer == "lbfgs":
        return torch.optim.LBFGS(parameters, max_iter=10, line_search_fn="strong_wolfe")
    return torch.optim.Adam(parameters, lr=recipe.learning_rate)


class Best:
    """Early stopping: the parameters with the lowest validation loss so far."""

    def __init__(self, run: Run, held_out: Objective | None, recipe: Recipe):
        self.run, self.held_out, self.recipe = run, held_out, recipe
        self.at, self.loss, self.kept = -1, math.inf, None

    def is_over(self, step: int) -> bool:
        """Look at the validation loss; true when it has not improved for `patience` steps."""
        if self.held_out is None or self.recipe.patience is None:
            return False
        with torch.no_grad():
            loss = float(self.held_out.nll(self.run.basis, self.run.logits))
        self.run.validation.append(loss)
        if loss < self.loss * (1 - self.recipe.tolerance):
            self.at, self.loss = step, loss
            self.kept = [self.run.basis.detach().clone(), self.run.logits.detach().clone()]
        return step - self.at >= self.recipe.patience

    def restore(self) -> None:
        """Go back to the best parameters."""
        if self.kept is not None:
            self.run.basis, self.run.logits = self.kept


def finite(loss: Tensor, step: int, recipe: Recipe) -> float:
    """The loss itself, or a ValueError as soon as it is not a number."""
    loss = float(loss)
    if not math.isfinite(loss):
        remedy = "smaller embeddings, a smaller start, rescale=True, or a larger temperature"
        if recipe.learning_rate is not None:
            remedy = f"a learning rate below {recipe.learning_rate:g}, {remedy}"
        raise ValueError(f"the loss became {loss} at step {step}; try {remedy}")
    return loss


def converged(losses: list[float], recipe: Recipe) -> bool:
    """Whether L-BFGS has settled: its last step lowered the loss by less than the tolerance.

    Adam's small steps say nothing about that, and an anchor that has yet to come makes a new start.
    """
    waiting = recipe.anchor > 0 and len(losses) <= recipe.anchor_warmup[1] * recipe.steps + 1
    if recipe.optimizer != "lbfgs" or waiting or len(losses) < 2:
        return False
    return 0 <= losses[-2] - losses[-1] < recipe.tolerance * losses[-1]
