"""What methods built of networks share: standardised inputs, their training data, their start."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from lore_core.methods.protocol import Model, training_data
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import checks
from lore_core.tools.devices import Device

FAR = 1e6  # standard deviations: no text is as far from the others


class Standardised(nn.Module):
    """(e - mean) / rms: entries of about unit size, whatever the encoder. Nothing is trained."""

    mean: Tensor
    rms: Tensor

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
        rows = (embeddings - self.mean).div_(self.rms)
        farthest = torch.stack(rows.aminmax()).abs().amax()
        if not farthest < FAR:  # nor NaN
            raise ValueError(
                f"embeddings are up to {float(farthest):.1g} standard deviations from "
                f"those of training, expected less than {FAR:g}; are they in the same unit?"
            )
        return rows.float()


class Network(nn.Module):
    """A network that standardises its inputs."""

    inputs: Standardised


Built = TypeVar("Built", bound=Network)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What one training run learns from, on its device. The order of the pairs means nothing.

    Args:
        responses: what is ranked.
        pairs: of the seen users, in order.
        validation: further pairs of the same users, or None.
    """

    responses: Responses
    pairs: Preferences
    validation: Preferences | None

    @classmethod
    def of(
        cls,
        responses: Responses,
        pairs: Preferences,
        validation: Preferences | None,
        seed: int,
        device: Device,
    ) -> TrainingData:
        """Check the data and bring it to the device; arguments as in `Method.fit`."""
        ours, mine = training_data(responses, pairs, validation, seed, device)
        if validation is not None:
            validation = validation.to(mine.user.device)
        return cls(ours, mine.in_order(), validation)

    @property
    def device(self) -> torch.device:
        """Where it is trained."""
        return self.pairs.user.device

    def filled(self, personal: Tensor) -> Tensor:
        """`personal` with the others' mean for users without pairs, of whom nothing is known."""
        known = (self.pairs.counts > 0)[:, None]
        return torch.where(known, personal, personal[known[:, 0]].mean(0))


def build(make: Callable[[], Built], data: TrainingData, seed: int) -> Built:
    """A network whose random start depends on the seed alone, its inputs measured.

    Args:
        make: builds it, with torch's own generator.
        data: the embeddings of its pairs set mean and size of the inputs.
        seed: of the start.
    """
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(int(seed))
        model = make().to(data.device)
    used = torch.cat([data.pairs.chosen, data.pairs.rejected]).unique()
    model.inputs.measure(data.responses.embeddings[used])
    return model


def validator(
    model: Model, data: TrainingData, prepare: Callable[[], None] | None = None
) -> Callable[[], float] | None:
    """The share of validation pairs that are lost, as a function of nothing; None without pairs.

    Args:
        model: as it is at the time of the call.
        data: with the validation pairs.
        prepare: brings the seen users' numbers up to date.
    """
    pairs = data.validation
    if pairs is None or len(pairs) == 0:
        return None

    def validate() -> float:
        if prepare is not None:
            prepare()
        return -float(pairs.share_won(model.margins(data.responses, pairs)).nanmean())

    return validate


def deliver(model: Built, device: torch.device) -> Built:
    """The trained model on a device, ready to be used.

    Raises:
        ValueError: a number of it is not finite; the last step was too large.
    """
    for name, tensor in model.state_dict().items():
        checks.finite(name, tensor, "training has run away; try smaller learning rates")
    return model.to(device).requires_grad_(False)
