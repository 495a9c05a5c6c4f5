"""What the rivals built of networks share: inputs, random draws, and one training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from lore_core.methods.protocol import training_data
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import checks, draws

FAR = 1e6  # standard deviations: no text is as far from the others


@dataclass(frozen=True)
class Schedule:
    """How long a network is trained, and how fast.

    Args:
        steps: optimiser steps.
        warmup: share of the steps in which the learning rate grows from 0.
        cosine: whether the learning rate then falls to 0 along a half cosine.
        looks: with validation pairs, look at them so many times and end at the best; 0 is never.

    Raises:
        ValueError: a number is out of range.
    """

    steps: int
    warmup: float = 0.0
    cosine: bool = False
    looks: int = 10

    def __post_init__(self):
        checks.whole_numbers(0, steps=self.steps, looks=self.looks)
        checks.flag("cosine", self.cosine)
        if checks.number("warmup", self.warmup) > 1:
            raise ValueError(f"warmup is {self.warmup}, expected a share of the steps, 0 to 1")

    def rate(self, step: int) -> float:
        """What the learning rate is multiplied by at a step."""
        warm = round(self.warmup * self.steps)
        if step < warm:
            return (step + 1) / (warm + 1)
        if not self.cosine:
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))

    def looks_after(self, step: int) -> bool:
        """Whether validation is looked at after this step: evenly spread, the last included."""
        return (step + 1) * self.looks // self.steps > step * self.looks // self.steps


class Standardised(nn.Module):
    """(e - mean) / rms: entries of about unit size, whatever the encoder. Nothing is trained."""

    def __init__(self, d: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(d, dtype=torch.float64))
        self.register_buffer("rms", torch.ones((), dtype=torch.float64))

    def measure(self, embeddings: Tensor) -> None:
        """Take mean and size from embeddings that training may see.

        Raises:
            ValueError: they are all alike, or too small or too large to be squared.
        """
        self.mean.copy_(embeddings.mean(0, dtype=torch.float64))
        self.rms.copy_((embeddings - self.mean).square().mean().sqrt())
        if not 0 < float(self.rms) < math.inf:
            raise ValueError(
                f"the embeddings' entries have standard deviation {float(self.rms)}, expected a "
                "number above 0: they are all alike, or too small or too large to square"
            )

    def forward(self, embeddings: Tensor) -> Tensor:
        rows = (embeddings - self.mean) / self.rms
        if not rows.abs().amax() < FAR:  # nor NaN
            raise ValueError(
                f"embeddings are up to {float(rows.abs().amax()):.1g} standard deviations from "
                f"those of training, expected less than {FAR:g}; are they in the same unit?"
            )
        return rows.float()


@dataclass(frozen=True, eq=False)
class Setting:
    """One training run's data and draws, on its device. The order of the pairs means nothing."""

    responses: Responses
    pairs: Preferences
    validation: Preferences | None
    seed: int
    generator: torch.Generator
    device: torch.device
    origin: torch.device

    @classmethod
    def on(cls, responses, pairs, validation, seed: int, device) -> Setting:
        """Check the data and bring it to the device."""
        generator = draws.generator(seed)
        there, ours = training_data(responses, pairs, validation, seed, device)
        if validation is not None:
            validation = validation.to(ours.user.device)
        return cls(
            responses=there,
            pairs=ours.in_order(),
            validation=validation,
            seed=seed,
            generator=generator,
            device=ours.user.device,
            origin=responses.embeddings.device,
        )

    def build(self, make: Callable[[], nn.Module]) -> nn.Module:
        """A network whose random start depends on the seed alone, its inputs measured."""
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            torch.manual_seed(int(self.seed))
            model = make().to(self.device)
        used = torch.cat([self.pairs.chosen, self.pairs.rejected]).unique()
        model.inputs.measure(self.responses.embeddings[used])
        return model

    def filled(self, personal: Tensor) -> Tensor:
        """`personal` with the others' mean for users without pairs, of whom nothing is known."""
        known = (self.pairs.counts > 0)[:, None]
        return torch.where(known, personal, personal[known[:, 0]].mean(0))

    def home(self, model: nn.Module) -> nn.Module:
        """The model where the responses came from, ready to be used.

        Raises:
            ValueError: a number of it is not finite; the last step was too large.
        """
        for name, tensor in model.state_dict().items():
            checks.finite(name, tensor, "training has run away; try smaller learning rates")
        return model.to(self.origin).requires_grad_(False)

    def judge(self, model, prepare: Callable[[], None] | None = None) -> Callable | None:
        """Accuracy of the seen users on their validation pairs, as a function of nothing."""
        if self.validation is None or len(self.validation) == 0:
            return None

        def accuracy() -> float:
            if prepare:
                prepare()
            return float(model.accuracy(self.responses, self.validation).nanmean())

        return accuracy

    def batches(self, ids: Tensor, size: int) -> Iterator[Tensor]:
        """Ids in batches without end: all of them in a new random order, again and again."""
        while True:
            order = draws.order(self.generator, len(ids)).to(ids.device)
            yield from ids[order].split(size)

    def uniform(self, shape) -> Tensor:
        """Draws from [0, 1), the same on every device."""
        return draws.uniform(self.generator, *shape).to(self.device)

    def normal(self, shape) -> Tensor:
        """Standard normal draws, the same on every device."""
        return draws.normal(self.generator, *shape).float().to(self.device)

    def whole_number(self, low: int, high: int) -> int:
        """One of low, ..., high."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))


@torch.enable_grad()
def optimise(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[int], Tensor],
    schedule: Schedule,
    judge: Callable[[], float] | None = None,
) -> None:
    """Take the schedule's steps; with a judge, end at the best parameters that it saw.

    Args:
        model: what is trained, in place.
        optimizer: of its parameters.
        loss: of a fresh batch, at a step.
        schedule: how long and how fast.
        judge: accuracy on validation pairs.

    Raises:
        ValueError: a loss is not finite.
    """
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.rate)
    best, kept = -math.inf, None
    for step in tqdm(range(schedule.steps), desc=model.kind, leave=False):
        value = loss(step)
        if not value.isfinite():
            raise ValueError(f"the loss became {value} at step {step}; try smaller learning rates")
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        rate.step()
        if judge and schedule.looks_after(step) and (reached := judge()) > best:
            best, kept = reached, copy.deepcopy(model.state_dict())
    if kept is not None:
        model.load_state_dict(kept)
