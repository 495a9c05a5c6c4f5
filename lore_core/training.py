"""One training loop for everything that is trained by gradients, with early stopping."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from torch import nn

from lore_core.tools.progress import Bar

STATE = "losses", "best", "best_step", "kept"  # what early stopping remembers


class EarlyStopping:
    """Keeps the parameters with the lowest validation loss, and says when to stop.

    Args:
        model: whose parameters and buffers are kept.
        validate: the validation loss as the model stands.
        patience: stop after so many steps without a better loss; None never stops.
        tolerance: a loss counts as better if it is lower by more than this share of the best one.
        evaluations: after which steps to validate; all of them by default.
    """

    def __init__(
        self,
        model: nn.Module,
        validate: Callable[[], float],
        patience: int | None = None,
        tolerance: float = 0.0,
        evaluations: Callable[[int], bool] = lambda step: True,
    ):
        self.model = model
        self.validate = validate
        self.patience = patience
        self.tolerance = tolerance
        self.evaluations = evaluations
        self.losses: list[float] = []
        self.best = math.inf
        self.best_step = -1
        self.kept: dict | None = None

    def is_over(self, step: int) -> bool:
        """Evaluate, if it is time; true when patience has run out."""
        if not self.evaluations(step):
            return False
        self.evaluate(step)
        return self.patience is not None and step - self.best_step >= self.patience

    def evaluate(self, step: int) -> None:
        """Keep the parameters if they are the best so far."""
        loss = finite(self.validate(), step, "other validation pairs")
        self.losses.append(loss)
        enough = 0.0 if math.isinf(self.best) else self.tolerance * abs(self.best)
        if loss < self.best - enough:
            self.best = loss
            self.best_step = step
            self.kept = copy.deepcopy(self.model.state_dict())

    def restore(self) -> None:
        """Go back to the best parameters."""
        if self.kept is not None:
            self.model.load_state_dict(self.kept)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on from here."""
        return {name: getattr(self, name) for name in STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was called."""
        for name in STATE:
            setattr(self, name, state[name])


def train(
    take_step: Callable[[int], float],
    steps: int,
    remedy: str,
    stopping: EarlyStopping | None = None,
    settled: Callable[[list[float]], bool] = lambda losses: False,
    bar: Bar | None = None,
    losses: list[float] | None = None,
    go_on: Callable[[], None] = lambda: None,
) -> list[float]:
    """Take steps until they are done, validation says stop, or the loss has settled.

    Args:
        take_step: moves the parameters one step on; returns the loss before it.
        steps: at most so many.
        remedy: what helps against a loss that is not finite; ends the error message.
        stopping: early stopping; the best parameters are restored at the end.
        settled: whether the losses so far say that nothing more will come.
        bar: shows losses, and pairs per second; None shows nothing.
        losses: of the steps that were taken before; default none. New ones are appended.
        go_on: called after each step that is not the last.

    Returns:
        The losses.

    Raises:
        ValueError: a loss is not finite.
    """
    losses = [] if losses is None else losses
    for step in range(len(losses), steps):
        losses.append(finite(take_step(step), step, remedy))
        over = stopping is not None and stopping.is_over(step)
        if bar is not None:
            bar.step(**last(losses, stopping))
        if over:
            break
        if settled(losses):
            break
        go_on()
    if stopping is not None:
        stopping.restore()
    return losses


def last(losses: list[float], stopping: EarlyStopping | None) -> dict[str, Any]:
    """The losses as they stand."""
    known = {"loss": losses, "validation": stopping.losses if stopping else []}
    return {kind: some[-1] for kind, some in known.items() if some}


def finite(loss: float, step: int, remedy: str) -> float:
    """The loss itself, or a ValueError as soon as it is not a number."""
    if not math.isfinite(loss):
        raise ValueError(f"the loss became {loss} at step {step}; try {remedy}")
    return loss
