"""LaMP's users: what they wrote, to learn from, and what they are asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from lore_core.tasks.lamp import OTHERS, Question, read, read_users
from lore_core.tasks.lamp_prompts import Count, pairs
from lore_core.tools import checks


@dataclass(frozen=True)
class Users:
    """Some users and their questions.

    Args:
        others: questions of users whose items everybody's adapter learns from as well; may be none.
        questions: that are to be answered, of the users who get groups and adapters.
    """

    others: tuple[Question, ...]
    questions: tuple[Question, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The users' ids, in the order of their first questions; a user is a row of these."""
        return tuple(dict.fromkeys(one.user for one in self.questions))

    @property
    def asked(self) -> Tensor:
        """Whose each question is, as a row of `names`."""
        row = {name: place for place, name in enumerate(self.names)}
        return torch.tensor([row[one.user] for one in self.questions])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that was read."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def read_either(
    folder: Path | str, task: str, part: str = "dev", limit: int | None = None
) -> Users:
    """The users of a task, in either layout of its files, see `lamp`.

    Args:
        folder: where they lie.
        task: such as "LaMP_3".
        part: of LaMP's own layout.
        limit: take so many users at most, the first ones; of others as many.

    Raises:
        FileNotFoundError, ValueError: as in `lamp.read`.
    """
    if (Path(folder) / OTHERS).is_file():
        return read_tuned(folder, task, limit)
    checked(limit)
    return Users((), first(read(folder, task, part), limit))


def read_tuned(folder: Path | str, task: str, limit: int | None = None) -> Users:
    """The users of a task in the layout of per-user tuning, see `lamp.read_users`.

    Args:
        folder, task, limit: as in `read_either`.

    Raises:
        FileNotFoundError, ValueError: as in `lamp.read_users`.
    """
    checked(limit)
    others, own = read_users(folder, task)
    return Users(first(others, limit), first(own, limit))


def checked(limit: int | None) -> None:
    """Raise a ValueError if a limit leaves nobody."""
    if limit is not None:
        checks.whole_number("limit", limit, at_least=1)


def first(questions: Sequence[Question], limit: int | None) -> tuple[Question, ...]:
    """The questions of the first users."""
    names = list(dict.fromkeys(one.user for one in questions))[:limit]
    return tuple(one for one in questions if one.user in set(names))


@dataclass(frozen=True)
class Written:
    """What users made of what they were asked.

    Args:
        asked, answers: n of each.
        user: (n,) whose.
        n_users: N; a user may have written nothing.
    """

    asked: tuple[str, ...]
    answers: tuple[str, ...]
    user: Tensor
    n_users: int


def written(task: str, questions: Sequence[Question], count: Count, budget: int) -> Written:
    """All items of all profiles, users in the order of their first questions.

    Args:
        task: such as "LaMP_3".
        questions: a user's first says how the user's items are asked.
        count, budget: as in `lamp_prompts.prompt`.

    Raises:
        ValueError: nobody has written anything.
    """
    firsts = {one.user: one for one in reversed(questions)}
    order = list(dict.fromkeys(one.user for one in questions))
    found = [
        (row, *pair)
        for row, name in enumerate(order)
        for pair in pairs(task, firsts[name], count, budget)
    ]
    if not found:
        raise ValueError(f"the profiles of {len(order)} users are empty; there is nothing to learn")
    rows, asked, answers = zip(*found, strict=True)
    return Written(asked, answers, torch.tensor(rows), len(order))
