"""A personal task: who was given what, and what this person's answer is.

An item is a user, a row of the responses, and a target. Items of a user's history are there to
learn from, items of validation to choose by, items of test to report.

Shapes: N users, n items, L labels, M responses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.tools import checks
from lore_core.tools.devices import Device, moved

PARTS = ("history", "validation", "test")


@dataclass(frozen=True, eq=False)
class Task:
    """Items of N users: item i says that user[i], given response[i], answers target[i].

    Args:
        user: (n,) integers in [0, N).
        response: (n,) rows of the responses.
        target: (n,) positions among `labels`. Without labels the wanted answer is a text: target is
            its row, and the input is the instruction alone.
        part: (n,) positions among `PARTS`.
        cold: (N,) booleans, the users who take no part in what is learned from all.
        group: (N,) integers, the group each user belongs to in truth, for oracles and for scores.
        labels: L strings, or none.
        ordered: whether labels are numbers in rising order, so that a near miss is a small error.

    Raises:
        ValueError: a shape, type or range is off; the message says which and what to do.
    """

    user: Tensor
    response: Tensor
    target: Tensor
    part: Tensor
    cold: Tensor
    group: Tensor
    labels: tuple[str, ...] = ()
    ordered: bool = False

    def __post_init__(self) -> None:
        for name in ("user", "response", "target", "part", "group"):
            checks.set_field(self, name, checks.index_vector(name, getattr(self, name)))
        for name in ("response", "target", "part"):
            checks.same_length(name, getattr(self, name), "user", self.user)
        cold = checks.tensor("cold", self.cold)
        if cold.dtype != torch.bool or cold.ndim != 1 or len(cold) == 0:
            raise ValueError(
                f"cold has shape {tuple(cold.shape)} and type {cold.dtype}, expected True or False "
                "of each user, and at least one user"
            )
        checks.set_field(self, "cold", cold)
        checks.same_length("group", self.group, "cold", cold)
        checks.below("user", self.user, self.n_users)
        checks.below("part", self.part, len(PARTS))
        self._check_labels()

    def _check_labels(self) -> None:
        labels = checks.names("labels", self.labels, len(self.labels))
        checks.set_field(self, "labels", labels)
        if len(set(labels)) < len(labels):
            raise ValueError(f"labels are {labels}, expected each of them once")
        if labels:
            checks.below("target", self.target, len(labels))
        checks.flag("ordered", self.ordered)
        if self.ordered:
            checks.rising("labels", self.values)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_users(self) -> int:
        """N."""
        return len(self.cold)

    @property
    def values(self) -> tuple[float, ...]:
        """The labels as numbers.

        Raises:
            ValueError: one of them is none, or there are no labels.
        """
        try:
            found = tuple(float(label) for label in self.labels)
        except ValueError as error:
            raise ValueError(f"labels are {self.labels}, expected numbers ({error})") from error
        if not found:
            raise ValueError("this task has no labels: its answers are texts")
        return found

    @property
    def history(self) -> Tensor:
        """Positions of the items to learn from, of all users."""
        return self.of("history")

    @property
    def seen_history(self) -> Tensor:
        """Those of users who take part in what is learned from all."""
        return self.history[~self.cold[self.user[self.history]]]

    @property
    def cold_history(self) -> Tensor:
        """Those of users who come later."""
        return self.history[self.cold[self.user[self.history]]]

    @property
    def validation(self) -> Tensor:
        """Positions of the items to choose by."""
        return self.of("validation")

    @property
    def test(self) -> Tensor:
        """Positions of the items to report."""
        return self.of("test")

    @property
    def lengths(self) -> Tensor:
        """Items in each user's history, (N,)."""
        return self.user[self.history].bincount(minlength=self.n_users)

    def of(self, part: str) -> Tensor:
        """Positions of the items of a part, in their order.

        Raises:
            ValueError: there is no such part.
        """
        checks.one_of("part", part, PARTS)
        return (self.part == PARTS.index(part)).nonzero().flatten()

    def check(self, n_responses: int) -> None:
        """Make sure that every row exists among M responses.

        Raises:
            ValueError: one does not.
        """
        n = checks.whole_number("n_responses", n_responses, at_least=1)
        checks.below("response", self.response, n)
        if not self.labels:
            checks.below("target", self.target, n)

    def to(self, device: Device) -> Task:
        """The same task on another device."""
        return moved(self, device)
