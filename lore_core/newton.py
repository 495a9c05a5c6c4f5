"""Damped Newton steps on many small convex problems at once, one for each user.

A problem knows its losses, Newton's direction and how to move along it. Damping and stopping are
the same for all problems.

Shapes: N users, n numbers each.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

NEAR = 1e-12  # of the loss: weights are needed to a few digits
HALVINGS = 40


class Problem(Protocol):
    """N convex functions, one per user, of n numbers each."""

    @property
    def noise(self) -> float:
        """Rounding of a loss, relative to it; a promise below it is not held against the loss."""

    def losses(self, at: Tensor) -> Tensor:
        """The N values at points (N, n)."""

    def direction(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """Newton's direction (N, n), and the decrease that its first order promises (N,)."""

    def longest(self, direction: Tensor) -> Tensor:
        """The largest step that is allowed, (N,), at most 1."""

    def move(self, at: Tensor, direction: Tensor, size: Tensor) -> Tensor:
        """The points after a step of each user's size, (N, n)."""

    def select(self, mask: Tensor) -> Problem:
        """The problems of some users."""


def minimise(
    problem: Problem, start: Tensor, steps: int, near: float = NEAR
) -> tuple[Tensor, float]:
    """Every user's minimum, and the largest relative decrease that the last step promised.

    Args:
        problem: of N users, in float64: the last digits decide when to stop.
        start: (N, n).
        steps: at most so many.
        near: a promised decrease, relative to the loss, that is not worth another step.
    """
    found = start.clone()
    moving = torch.arange(len(start), device=start.device)
    at = start
    left = math.inf
    for _ in range(steps):
        direction, promised = problem.direction(at)
        losses = problem.losses(at)
        gain = promised / (1 + losses.abs())
        left = float(gain.max())
        mask = gain >= near
        if not mask.any():
            break
        moving = moving[mask]  # who has arrived costs nothing more
        problem = problem.select(mask)
        at = line_search(problem, at[mask], direction[mask], promised[mask], losses[mask])
        found[moving] = at
    return found, left


def line_search(
    problem: Problem, at: Tensor, direction: Tensor, promised: Tensor, before: Tensor
) -> Tensor:
    """A step along `direction`, halved for each user until the loss falls enough (Armijo).

    Where less is promised than the loss has digits for, the minimum is near and the step is right.
    """
    size = problem.longest(direction)
    slack = 1e-13 * (1 + before.abs())
    judged = promised > problem.noise * (1 + before.abs())
    for _ in range(HALVINGS):
        after = problem.losses(problem.move(at, direction, size))
        too_far = judged & (after > before - 0.25 * size * promised + slack)
        if not too_far.any():
            break
        size = torch.where(too_far, size / 2, size)
    return problem.move(at, direction, size)
