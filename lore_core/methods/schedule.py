"""How long a network is trained, and how fast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
)

from lore_core.tools import checks
from lore_core.tools.progress import Bar
from lore_core.training import EarlyStopping, train

REMEDY = "smaller learning rates"


@dataclass(frozen=True)
class Schedule:
    """How long a network is trained, and how fast.

    Args:
        steps: optimiser steps.
        warmup: share of the steps in which the learning rate grows from 0.
        cosine: whether the learning rate then falls to 0 along a half cosine.
        evaluations: with validation pairs, look at them so many times and end at the best; 0 is
            never.

    Raises:
        ValueError: a number is out of range.
    """

    steps: int
    warmup: float = 0.0
    cosine: bool = False
    evaluations: int = 10

    def __post_init__(self) -> None:
        checks.whole_numbers(0, steps=self.steps, evaluations=self.evaluations)
        checks.flag("cosine", self.cosine)
        if checks.number("warmup", self.warmup) > 1:
            raise ValueError(f"warmup is {self.warmup}, expected a share of the steps, 0 to 1")

    def scheduler(self, optimizer: Optimizer) -> LRScheduler:
        """torch's scheduler of the learning rate: linear warm-up, then constant or a cosine."""
        warm = round(self.warmup * self.steps)
        after: LRScheduler = ConstantLR(optimizer, factor=1.0)
        if self.cosine:
            after = CosineAnnealingLR(optimizer, T_max=max(1, self.steps - warm))
        if warm == 0:
            return after
        linear = LinearLR(optimizer, start_factor=1 / (warm + 1), total_iters=warm)
        return SequentialLR(optimizer, [linear, after], milestones=[warm])

    def evaluates_after(self, step: int) -> bool:
        """Whether validation is looked at after a step: evenly spread, the last included."""
        return (step + 1) * self.evaluations // self.steps > step * self.evaluations // self.steps


@torch.enable_grad()
def optimise(
    model: nn.Module,
    optimizer: Optimizer,
    loss: Callable[[], Tensor],
    schedule: Schedule,
    validate: Callable[[], float] | None = None,
    pairs: int = 0,
) -> None:
    """Take the schedule's steps; with validation, end at the best parameters that it saw.

    Args:
        model: what is trained, in place.
        optimizer: of its parameters.
        loss: of a fresh batch.
        schedule: how long and how fast.
        validate: a validation loss.
        pairs: that a batch has, for the progress bar.

    Raises:
        ValueError: a loss is not finite.
    """
    scheduler = schedule.scheduler(optimizer)
    stopping = None
    if validate is not None:
        stopping = EarlyStopping(model, validate, evaluations=schedule.evaluates_after)

    def take_step(step: int) -> float:
        value = loss()
        bar.count(pairs)
        if value.isfinite():  # else `train` says so, and the model stays as it was
            model.zero_grad()
            value.backward()
            optimizer.step()
            scheduler.step()
        return float(value.detach())

    with Bar(str(getattr(model, "kind", "network")), schedule.steps) as bar:
        train(take_step, schedule.steps, REMEDY, stopping, bar=bar)
