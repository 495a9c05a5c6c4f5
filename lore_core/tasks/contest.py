"""One protocol for all ways to answer a personal task, and their errors user by user.

A way to answer is a function: it is given the histories of seen and new users, and answers every
test item. What it learns in between is its own affair.

Shapes: M responses, d features of a state, N users, n test items.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lore_core.tasks.items import Labelled
from lore_core.tasks.metrics import by_user
from lore_core.tasks.task import Task
from lore_core.tools import checks


@dataclass(frozen=True)
class Given:
    """What a way to answer may use.

    Args:
        task: whose test items are to be answered. Test targets are for the judge alone.
        state: (M, d) what the network reads of each response.
        net: state -> logits of the labels.

    Raises:
        ValueError: the task has no labels, or a response has no state.
    """

    task: Task
    state: Tensor
    net: nn.Module

    def __post_init__(self) -> None:
        checks.set_field(self, "state", checks.float_matrix("state", self.state))
        self.task.check(len(self.state))
        if not self.task.labels:
            raise ValueError("this task has no labels: its answers are texts")

    @property
    def n_seen(self) -> int:
        """Users who take part in what is learned from all; they are the first."""
        return int((~self.task.cold).sum())

    @property
    def values(self) -> tuple[float, ...]:
        """The labels as numbers where they are ordered, else none."""
        return self.task.values if self.task.ordered else ()

    @property
    def seen(self) -> Labelled:
        """The history of the seen users."""
        return self.items(self.task.seen_history, 0, self.n_seen)

    @property
    def new(self) -> Labelled:
        """The history of the new users, who are counted from 0."""
        return self.items(self.task.cold_history, self.n_seen, self.task.n_users - self.n_seen)

    def items(self, rows: Tensor, first: int, n_users: int) -> Labelled:
        """Some of the task's items, of users who are counted from `first`."""
        task = self.task
        user, target = task.user[rows] - first, task.target[rows]
        return Labelled(self.state[task.response[rows]], target, user, n_users, self.values)

    def asked(self, part: str) -> tuple[Tensor, Tensor]:
        """States (n, d) and users (n,) of the items of a part."""
        rows = self.task.of(part)
        return self.state[self.task.response[rows]], self.task.user[rows]


Answers = Callable[[Given, str], Tensor]  # the items of a part -> the label of each, (n,)
Predict = Callable[[Tensor, Tensor, bool], Tensor]  # inputs (n, ...), users, ordered -> labels (n,)


def answered(given: Given, part: str, seen: Predict, new: Callable[[], Predict]) -> Tensor:
    """The label of each item of a part, (n,), from a network for seen users and one for new ones.

    Args:
        given: the task, and what the network reads.
        part: "test" or "validation".
        seen: the labels for seen users.
        new: is called if there are new users, and gives the labels for them, counted from 0.
    """
    state, user = given.asked(part)
    old, ordered = user < given.n_seen, given.task.ordered
    found = torch.zeros(len(user), dtype=torch.long)
    found[old] = seen(state[old], user[old], ordered)
    if not old.all():
        found[~old] = new()(state[~old], user[~old] - given.n_seen, ordered)
    return found


def likeliest(shares: Tensor, ordered: bool) -> Tensor:
    """One label from the probabilities of all, (n, L): the median of ordered ones, or the largest.

    The median has the least absolute error that is to be expected.
    """
    return (shares.cumsum(1) < 0.5).sum(1) if ordered else shares.argmax(1)


def errors(task: Task, labels: Tensor, part: str = "test") -> Tensor:
    """Each user's mean error, (N,): absolute for ordered labels, else the share of wrong ones.

    Args:
        task: with N users.
        labels: (n,) answers to the items of `part`, as positions among the task's labels.
        part: "test" or "validation".

    Returns:
        NaN for a user without such items.
    """
    rows = task.of(part)
    given, wanted = checks.index_vector("labels", labels), task.target[rows]
    checks.same_length("labels", given, f"items of {part}", rows)
    if task.ordered:
        number = torch.tensor(task.values)
        wrong = (number[given] - number[wanted]).abs()
    else:
        wrong = (given != wanted).float()
    return by_user(wrong, task.user[rows], task.n_users)
