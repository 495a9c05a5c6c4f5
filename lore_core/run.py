"""A descent on its way: parameters, optimisers, losses, early stopping."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lore_core.objective import Objective
from lore_core.recipes import Recipe
from lore_core.tools.checks import number
from lore_core.tools.progress import Bar
from lore_core.training import EarlyStopping

AT_EASE = 1000  # users whose logits need no other unit
REMEMBERED = 2**22  # numbers: bounds the memory of L-BFGS, and the time of its iterations


class Parameters(nn.Module):
    """What the descent moves: the basis V (d, K), and the logits l (N, K) in a unit of theirs.

    Args:
        basis, logits: where to start.
        unit: of the logits, what they are divided by while they are moved.
    """

    def __init__(self, basis: Tensor, logits: Tensor, unit: float = 1.0):
        super().__init__()
        self.unit = unit
        self.basis = nn.Parameter(basis.detach().clone())
        self.moved = nn.Parameter(logits.detach() / unit)

    @property
    def logits(self) -> Tensor:
        """l, (N, K), with a gradient to what is moved."""
        return self.moved * self.unit


def logits_unit(recipe: Recipe, n_users: int) -> float:
    """The unit in which the curvature along logits is that of a world with `AT_EASE` users.

    A user is 1/N of the loss, so among very many users L-BFGS would see slopes along the basis
    alone, and stop before it has moved anybody. Adam does not ask how steep a slope is.
    """
    return max(1.0, (n_users / AT_EASE) ** 0.5) if recipe.optimizer == "lbfgs" else 1.0


class Run:
    """A descent on its way, and all that it needs to go on from there another time.

    Args:
        objective: of the training pairs.
        held_out: of the validation pairs, or None.
        basis, logits: where to start.
        bar: is told how many pairs gradients read; or None.
    """

    def __init__(
        self,
        objective: Objective,
        held_out: Objective | None,
        basis: Tensor,
        logits: Tensor,
        bar: Bar | None = None,
    ):
        self.objective = objective
        unit = logits_unit(objective.recipe, objective.n_users)
        self.parameters = Parameters(basis, logits, unit)
        self.stopping = early_stopping(self.parameters, held_out, objective.recipe)
        self.groups = groups(objective.recipe, self.parameters)
        n_numbers = (len(basis) + objective.n_users) * basis.shape[1]
        self.optimizers = [
            make_optimizer(objective.recipe, group, n_numbers) for group in self.groups
        ]
        self.losses: list[float] = []
        self.over = False
        self.bar = bar

    @property
    def validation(self) -> list[float]:
        """The validation loss after each step; none without validation pairs."""
        return self.stopping.losses if self.stopping else []

    def take_step(self, step: int) -> float:
        """Move the parameters one optimiser step on; the loss before."""
        losses = []
        for optimizer, group in zip(self.optimizers, self.groups, strict=True):
            closure = partial(self.gradient, group, step)
            losses.append(optimizer.step(closure))  # type: ignore[arg-type]
        return float(losses[0])  # the loss before anything moved

    def gradient(self, group: list[nn.Parameter], step: int) -> Tensor:
        """The loss, and its gradient into a group of parameters: what optimisers call a closure."""
        loss = backward(self.objective, self.parameters, group, step)
        if self.bar is not None:
            self.bar.count(self.objective.n_pairs, loss=loss)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on from here; of a run that is over, how it ended."""
        optimizers = [] if self.over else [each.state_dict()["state"] for each in self.optimizers]
        return {
            "parameters": dict(self.parameters.state_dict()),
            "optimizers": optimizers,
            "stopping": self.stopping and self.stopping.state_dict(),
            "losses": self.losses,
            "over": self.over,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was called."""
        self.parameters.load_state_dict(state["parameters"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=False):
            optimizer.load_state_dict({**optimizer.state_dict(), "state": kept})
        if self.stopping:
            self.stopping.load_state_dict(state["stopping"])
        self.losses, self.over = state["losses"], state["over"]


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


def groups(recipe: Recipe, parameters: Parameters) -> list[list[nn.Parameter]]:
    """What moves together, one group after the other in each step."""
    if recipe.optimizer == "alternating":  # first l with V fixed, then V with the new l fixed
        return [[parameters.moved], [parameters.basis]]
    return [[parameters.basis, parameters.moved]]


def backward(
    objective: Objective, parameters: Parameters, group: list[nn.Parameter], step: int
) -> Tensor:
    """The loss; its gradient goes into a group of parameters."""
    loss = objective(parameters.basis, parameters.logits, step)
    for tensor, gradient in zip(group, torch.autograd.grad(loss, group), strict=True):
        tensor.grad = objective.vector(gradient)
    return loss.detach()


def make_optimizer(
    recipe: Recipe, parameters: list[nn.Parameter], n_numbers: int
) -> torch.optim.Optimizer:
    """The torch optimiser that the recipe names.

    Args:
        recipe: names it.
        parameters: what it moves.
        n_numbers: of basis and logits, those of other processes too.
    """
    if recipe.optimizer == "lbfgs":
        # A hundred iterations, as torch has it; fewer of a large fit, for which ten do as well.
        history = min(100, max(10, REMEMBERED // n_numbers))
        return torch.optim.LBFGS(
            parameters, max_iter=10, history_size=history, line_search_fn="strong_wolfe"
        )
    return torch.optim.Adam(parameters, lr=number("learning_rate", recipe.learning_rate))
