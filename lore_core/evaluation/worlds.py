"""Synthetic users of real text, as methods for personal models are compared on them.

Shapes: N users, of whom the last come later.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from lore_core.datasets import alpaca_eval, rating_states
from lore_core.tasks import Panel, rating, tag
from lore_core.tasks.contest import Given

TASKS = {"rating": (rating.make, "digits"), "tag": (tag.make, "letters")}
SEEDS = range(200, 205)
THROWN_AWAY = range(900, 903)  # worlds on which settings were chosen; nothing is reported of them


@cache
def given(task: str, seed: int, panel: Panel = rating.PANEL) -> Given:
    """A task on AlpacaEval's responses, with the language model's tail.

    Args:
        task: "rating" or "tag".
        seed: of the users.
        panel: how many they are, and how alike.
    """
    make, labels = TASKS[task]
    states = rating_states.load()
    return Given(make(alpaca_eval.load(), seed, panel), states.state, states.tail(labels))


def exchanged(given: Given) -> Given:
    """The same with every test item asked of the next user: the control."""
    task = given.task
    n_seen, n_new = given.n_seen, task.n_users - given.n_seen
    following = torch.cat([torch.arange(n_seen).roll(-1), n_seen + torch.arange(n_new).roll(-1)])
    user = task.user.where(~mask(len(task), task.test), following[task.user])
    return replace(given, task=replace(task, user=user))


def as_regression(given: Given) -> dict[str, Any]:
    """A task as ridge regressions are given it: histories to learn from, test items to answer."""
    task = given.task
    return {
        "state": given.state[task.response],
        "target": torch.tensor(task.values)[task.target] if task.ordered else task.target,
        "user": task.user,
        "group": task.group,
        "train": mask(len(task), task.history),
        "test": mask(len(task), task.test),
        "n_users": task.n_users,
        "n_groups": int(task.group.max()) + 1,
        "ordered": task.ordered,
    }


def mask(n: int, rows: Tensor) -> Tensor:
    """True at some of n rows."""
    found = torch.zeros(n, dtype=torch.bool)
    found[rows] = True
    return found
