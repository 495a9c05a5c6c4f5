"""Who preferred what to what.

A pair is two row numbers into `Responses`. Embeddings are stored once and never copied per pair.

Shapes: N users, B pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lore_core.responses import Responses
from lore_core.tools import checks, draws
from lore_core.tools.checks import index_vector, names, same_length, set_field
from lore_core.tools.devices import Device, moved
from lore_core.tools.ragged import random_places


@dataclass(frozen=True, eq=False)
class Preferences:
    """Who preferred which row of `Responses` to which: row b says user[b] chose chosen[b].

    NumPy arrays and tables are copied; tensors are taken as they are.

    Args:
        user: (B,) integers in [0, n_users).
        chosen: (B,) row numbers of the preferred responses.
        rejected: (B,) row numbers of the others.
        n_users: N; users without pairs are allowed.
        user_names: N strings or none, what to call each user where a person reads it.

    Raises:
        ValueError: a shape, type or range is off; the message says which and what to do.
    """

    user: Tensor
    chosen: Tensor
    rejected: Tensor
    n_users: int
    user_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("user", "chosen", "rejected"):
            set_field(self, name, index_vector(name, getattr(self, name)))
        same_length("user", self.user, "chosen", self.chosen)
        same_length("user", self.user, "rejected", self.rejected)
        set_field(self, "n_users", checks.whole_number("n_users", self.n_users, at_least=1))
        if len(self.user) and int(self.user.max()) >= self.n_users:
            raise ValueError(
                f"user id {int(self.user.max())} is out of range for n_users = {self.n_users}; "
                "ids run from 0 to n_users - 1: renumber them, or raise n_users"
            )
        set_field(self, "user_names", names("user_names", self.user_names, self.n_users))
        same = (self.chosen == self.rejected).nonzero().flatten()
        if len(same):
            raise ValueError(
                f"a pair has the same row as chosen and rejected ({len(same)} do, the first one is "
                f"of {self.user_name(int(self.user[same[0]]))}); drop such pairs"
            )

    def __len__(self) -> int:
        return len(self.user)

    @property
    def counts(self) -> Tensor:
        """Pairs per user, (N,)."""
        return self.user.bincount(minlength=self.n_users)

    def rows_at(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Chosen and rejected rows of some pairs, (n,) each.

        Args:
            places: (n,) positions from 0 to B - 1.
        """
        return self.chosen[places], self.rejected[places]

    def user_name(self, user: int) -> str:
        """What to call a user: the name, or the number."""
        return self.user_names[user] if self.user_names else f"user {user}"

    def check(self, responses: Responses) -> None:
        """Make sure that every row number exists.

        Raises:
            ValueError: `responses` is something else, or a pair points past the last of them.
        """
        checks.instance_of("responses", responses, Responses)
        rows = torch.maximum(self.chosen, self.rejected)
        if len(rows) and int(rows.max()) >= len(responses):
            user = self.user_name(int(self.user[rows.argmax()]))
            raise ValueError(
                f"a pair of {user} points to response {int(rows.max())}, but there are "
                f"{len(responses)} (rows 0 to {len(responses) - 1}); do the pairs belong to these "
                "responses?"
            )

    def in_order(self) -> Preferences:
        """The same pairs sorted by user, chosen and rejected: one order for one set of pairs."""
        order = self.rejected.argsort(stable=True)
        order = order[self.chosen[order].argsort(stable=True)]
        return self.select(order[self.user[order].argsort(stable=True)])

    def select(self, keep: Tensor) -> Preferences:
        """The pairs selected by a boolean mask or by positions; users keep their ids.

        Args:
            keep: (B,) booleans, or positions from 0 to B - 1.

        Raises:
            ValueError: the mask has another length, or a position does not exist.
        """
        keep = checks.tensor("keep", keep)
        if keep.dtype == torch.bool and keep.ndim == 1:
            same_length("keep", keep, "the pairs", self.user)
        else:
            keep = index_vector("keep", keep)
            checks.below("keep", keep, len(self))
        return Preferences(
            user=self.user[keep],
            chosen=self.chosen[keep],
            rejected=self.rejected[keep],
            n_users=self.n_users,
            user_names=self.user_names,
        )

    def of_users(self, users: Tensor) -> Preferences:
        """The pairs of some users, renumbered 0, 1, ... in the order given.

        Args:
            users: (n,) distinct user ids.

        Returns:
            Preferences of n users.

        Raises:
            ValueError: an id is out of range or given twice.
        """
        users = index_vector("users", users)
        if len(users.unique()) < len(users) or (len(users) and int(users.max()) >= self.n_users):
            raise ValueError(
                f"got {len(users)} users, largest {max(users.tolist(), default=None)}; expected "
                f"distinct ids below {self.n_users}"
            )
        new_id = torch.full((self.n_users,), -1, device=self.user.device)
        new_id[users] = torch.arange(len(users), device=self.user.device)
        kept = new_id[self.user] >= 0
        return Preferences(
            user=new_id[self.user[kept]],
            chosen=self.chosen[kept],
            rejected=self.rejected[kept],
            n_users=len(users),
            user_names=self.user_names and tuple(self.user_names[user] for user in users.tolist()),
        )

    def subsample(self, n_pairs: int, generator: torch.Generator) -> Preferences:
        """At most `n_pairs` random pairs of each user; a user with fewer keeps all of them.

        Args:
            n_pairs: pairs to keep per user, at least 0.
            generator: source of the draw, on the CPU.

        Raises:
            ValueError: n_pairs is not a whole number of at least 0.
        """
        n_pairs = min(checks.whole_number("n_pairs", n_pairs, at_least=0), len(self))
        return self.select(self.random_places(generator) < n_pairs)

    def random_places(self, generator: torch.Generator) -> Tensor:
        """Where each pair comes when every user's pairs are put in random order, (B,): 0, 1, ...

        Args:
            generator: source of the draw, on the CPU.
        """
        return random_places(self.user, self.n_users, generator)

    def subsample_users(self, n_users: int, generator: torch.Generator) -> Preferences:
        """The pairs of `n_users` random users, renumbered in random order.

        Args:
            n_users: users to keep, from 1 to N.
            generator: source of the draw, on the CPU.

        Raises:
            ValueError: n_users is out of range.
        """
        n_users = checks.whole_number("n_users", n_users, at_least=1)
        if n_users > self.n_users:
            raise ValueError(f"asked for {n_users} random users, but there are {self.n_users}")
        return self.of_users(draws.order(generator, self.n_users)[:n_users])

    def share_won(self, margins: Tensor) -> Tensor:
        """Share of each user's pairs with a margin above zero, (N,).

        Args:
            margins: (B,), by how much a model puts chosen above rejected.

        Returns:
            (N,); a tie is not a win, a user without pairs has NaN.

        Raises:
            ValueError: a margin is NaN: the pair is neither won nor lost.
        """
        margins = checks.tensor("margins", margins)
        if not margins.is_floating_point():
            raise ValueError(f"margins have type {margins.dtype}, expected floating-point numbers")
        same_length("margins", margins, "preferences", self.user)
        if margins.isnan().any():
            raise ValueError(
                f"margins: {int(margins.isnan().sum())} of {len(margins)} are NaN, so these pairs "
                "are neither won nor lost; the model or its inputs are damaged, or too large"
            )
        here = self.to(margins.device)
        wins = here.user[margins > 0].bincount(minlength=self.n_users)
        return wins.to(margins.dtype) / here.counts

    def to(self, device: Device) -> Preferences:
        """The same pairs on another device."""
        return moved(self, device)


def check_world(responses: Responses, preferences: Preferences) -> None:
    """Make sure that these are responses, and pairs of these responses.

    Raises:
        ValueError: an argument is of another kind, or a pair points past the last response.
    """
    checks.instance_of("responses", responses, Responses)
    checks.instance_of("preferences", preferences, Preferences)
    preferences.check(responses)


def check_training(
    responses: Responses,
    train: Any,
    validation: Any,
    check: Callable[[Responses, Any], None] = check_world,
) -> None:
    """Make sure that there are pairs to learn from, and that validation pairs are of their users.

    Args:
        responses: what is ranked.
        train, validation: pairs; validation may be None.
        check: makes sure that pairs are of a kind that is understood, and of these responses.

    Raises:
        ValueError: there are no pairs, or some are of other responses or other users.
    """
    check(responses, train)
    if len(train) == 0:
        raise ValueError("no pairs to learn from; give at least one")
    if validation is None:
        return
    check(responses, validation)
    if validation.n_users != train.n_users:
        raise ValueError(
            f"validation has {validation.n_users} users, training {train.n_users}; "
            "expected the same users in both"
        )
