"""Whose items a prompt shows: the nearest ones of the user, or of somebody else.

Shapes: N users, n items of a task, M responses, D features of what is near, q queries, k items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lore_core.tasks.task import Task
from lore_core.tools import checks, draws


@dataclass(frozen=True, eq=False)
class Rated:
    """A task with labels, and the texts that were given them.

    Args:
        task: who gave which response which label.
        instructions, responses: M texts each, by the task's rows.
        vectors: (M, D) of each row; an item is near a query if their cosine is large.

    Raises:
        ValueError: the task has no labels, or lengths do not fit.
    """

    task: Task
    instructions: Sequence[str]
    responses: Sequence[str]
    vectors: Tensor

    def __post_init__(self) -> None:
        checks.instance_of("task", self.task, Task)
        if not self.task.labels:
            raise ValueError("the task has no labels, so no item can say what a user thought of it")
        checks.set_field(self, "vectors", checks.float_matrix("vectors", self.vectors))
        for name in ("instructions", "vectors"):
            checks.same_length(name, getattr(self, name), "responses", self.responses)
        self.task.check(len(self.responses))


@dataclass(frozen=True, eq=False)
class Drawn:
    """Who has items to show, and which.

    Args:
        user: (n,) ascending, who takes part from the first and has an item.
        partner: (n,) another of them for each, everybody for one.
        items: of the history, by user.
    """

    user: Tensor
    partner: Tensor
    items: dict[int, Tensor]

    @classmethod
    def of(cls, task: Task, half: int | None, generator: torch.Generator) -> Drawn:
        """All of each history, or one half of it.

        Args:
            task: the users.
            half: 0, 1, or None for all. Drawn alike for all three.
            generator: source of halves and partners.

        Raises:
            ValueError: there is no such half, or fewer than two users have an item.
        """
        if half not in (None, 0, 1):
            raise ValueError(f"half is {half!r}, expected 0, 1 or None")
        mine, side = task.seen_history, halves(task, generator)
        mine = mine if half is None else mine[side[mine] == half]
        user = task.user[mine].unique()
        partner = user[partners(len(user), generator)]
        return cls(user, partner, {one: mine[task.user[mine] == one] for one in user.tolist()})

    def examples(self, user: int, k: int, generator: torch.Generator) -> Tensor:
        """An item of each of k other users, at random; fewer if there are fewer users.

        Args:
            user: whose items are left out.
            k: how many.
            generator: source of users and items.
        """
        others = [one for one in self.items if one != user]
        drawn = draws.order(generator, len(others))[:k].tolist()
        found = [self.items[others[place]] for place in drawn]
        return torch.stack([mine[draws.order(generator, len(mine))[0]] for mine in found])


def halves(task: Task, generator: torch.Generator) -> Tensor:
    """A half for every item, (n,) of 0 and 1: equally many of each history, or one more in 0."""
    keys = draws.uniform(generator, len(task))
    found = torch.zeros(len(task), dtype=torch.long)
    for user in range(task.n_users):
        mine = task.history[task.user[task.history] == user]
        found[mine[keys[mine].argsort()]] = torch.arange(len(mine)) % 2
    return found


def partners(n_users: int, generator: torch.Generator) -> Tensor:
    """Another user for each, (N,), everybody for one: the next in a random circle."""
    if n_users < 2:
        raise ValueError(f"{n_users} users have an item to show, expected at least two")
    circle = draws.order(generator, n_users)
    found = torch.empty(n_users, dtype=torch.long)
    found[circle] = circle.roll(-1)
    return found


def queries(task: Task, users: Tensor, n: int, first: int = 0) -> Tensor:
    """Test items of some users, (len(users), n): from the first-th of each on.

    Raises:
        ValueError: somebody has too few.
    """
    found = []
    for user in users.tolist():
        mine = task.test[task.user[task.test] == user]
        if len(mine) < first + n:
            raise ValueError(
                f"user {user} has {len(mine)} test items, but {first + n} queries are asked for; "
                "ask for fewer, or make a task with more"
            )
        found.append(mine[first : first + n])
    return torch.stack(found)


def nearest(rated: Rated, query: int, candidates: Tensor, k: int) -> Tensor:
    """The k candidates whose vectors have the largest cosine with the query's, nearest last.

    So the nearest stands right before the query. Ties are broken by the order of the items.

    Args:
        rated: with the vectors.
        query: an item.
        candidates: items; if there are fewer than k, all are taken.
        k: how many.
    """
    response = rated.task.response
    near = normalize(rated.vectors[response[candidates]].double())
    cosine = near @ normalize(rated.vectors[response[query]].double(), dim=0)
    return candidates[cosine.argsort(descending=True, stable=True)[:k]].flip(0)
