"""What a network's states are where they are moved, and how far.

Shapes: N users, k states, d features of a state.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from lore_core.perfit.intervention import Units
from lore_core.perfit.shifted import Shifted
from lore_core.tasks.items import Items


@torch.no_grad()
def units(shifted: Shifted, items: Items) -> dict[str, Units]:
    """Mean and spread of the states that enter each place, as the network now is."""
    found = {name: Moments() for name in shifted.nudges}
    with ExitStack() as hooks:
        for name, nudge in shifted.nudges.items():
            hooks.callback(nudge.register_forward_pre_hook(found[name]).remove)
        shifted.all_losses(items)
    return {name: moments.units for name, moments in found.items()}


@torch.no_grad()
def mean_shifts(shifted: Shifted, items: Items) -> dict[str, Tensor]:
    """How far φ_u moves each user's states, in the mean, by place: (N, d); 0 without items.

    Args:
        shifted: with φ_u of the items' users.
        items: N users'.

    Raises:
        ValueError: there is no φ_u.
    """
    found = {name: Means(items.n_users) for name in shifted.nudges}
    with ExitStack() as hooks:
        for name, nudge in shifted.nudges.items():
            if nudge.personal is None:
                raise ValueError("users have no shifts yet; train stage 2 first")
            hooks.callback(nudge.personal.register_forward_hook(found[name]).remove)
        shifted.all_losses(items)
    return {name: means.value for name, means in found.items()}


class Moments:
    """A hook that adds up states and their squares, in float64: they lie far from 0."""

    def __init__(self) -> None:
        self.count, self.square = 0, 0.0
        self.total: Any = 0.0

    def __call__(self, _: nn.Module, given: tuple[Tensor, Any]) -> None:
        """Add the states of a call."""
        x = given[0].double()
        self.count += len(x)
        self.total = self.total + x.sum(0)
        self.square += float(x.square().sum())

    @property
    def units(self) -> Units:
        """Mean, and root of the mean squared distance from it; 1 where all states are one."""
        centre = self.total / max(1, self.count)
        spread = self.square / max(1, self.count) - float(centre.square().sum())
        return Units(centre.float(), max(spread, 0.0) ** 0.5 or 1.0)


class Means:
    """A hook that adds up how far states are moved, user by user.

    Args:
        n_users: N.
    """

    def __init__(self, n_users: int) -> None:
        self.count = torch.zeros(n_users, 1)
        self.total: Any = 0.0

    def __call__(self, _: nn.Module, given: tuple[Tensor, Tensor], moved: Tensor) -> None:
        """Add what a call has moved."""
        (x, user), change = given, (moved - given[0]).float().cpu()
        empty = torch.zeros(len(self.count), x.shape[-1])
        self.total = self.total + empty.index_add(0, user.cpu(), change)
        self.count.index_add_(0, user.cpu(), torch.ones(len(user), 1))

    @property
    def value(self) -> Tensor:
        """The mean of each user's shifts."""
        return self.total / self.count.clamp(min=1)
