"""Ladders of ridge regressions: population, true group, user, each fitted to what is left over.

Shapes: B items, d features, N users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lore_core.evaluation.block_ridge import Level, features, level, predict
from lore_core.tasks.metrics import by_user
from lore_core.tools import checks

LADDERS = {
    "population": ("population",),
    "+ group": ("population", "group"),
    "+ user": ("population", "user"),
    "+ group + user": ("population", "group", "user"),
}


class Items(NamedTuple):
    """What is known of B items, checked.

    Args:
        state: (B, d).
        target: (B,) numbers or classes.
        blocks: the block that each item belongs to, (B,), for population, group and user.
        train, test: (B,) masks.
    """

    state: Tensor
    target: Tensor
    blocks: dict[str, Tensor]
    train: Tensor
    test: Tensor


def scores(given: Items, n_users: int, ordered: bool, ridges: Sequence[float]) -> dict[str, Tensor]:
    """Mean score of each user's test items under each of LADDERS, (N,); NaN without test items."""
    x = features(given.state, given.train)
    y = given.target[:, None] if ordered else one_hot(given.target).double()
    centre = y[given.train].mean(0)
    levels: dict[tuple[str, ...], Level] = {}
    found = {}
    for name, rungs in LADDERS.items():  # each stands on one that came before
        left = levels[rungs[:-1]].left_out if rungs[:-1] else y[given.train] - centre
        levels[rungs] = level(x[given.train], left, given.blocks[rungs[-1]][given.train], ridges)
        stack = [levels[rungs[: n + 1]] for n in range(len(rungs))]
        blocks = [given.blocks[rung][given.test] for rung in rungs]
        predicted = predict(x[given.test], stack, blocks) + centre
        found[name] = user_means(score(predicted, given, ordered), given, n_users)
    return found


def score(predicted: Tensor, given: Items, ordered: bool) -> Tensor:
    """Each test item's absolute error, or whether its class is hit."""
    wanted, seen = given.target[given.test], given.target[given.train]
    if not ordered:
        return (predicted.argmax(1) == wanted).double()
    return (predicted[:, 0].clamp(seen.min(), seen.max()) - wanted).abs()


def user_means(values: Tensor, given: Items, n_users: int) -> Tensor:
    """Mean over each user's test items, (N,)."""
    return by_user(values, given.blocks["user"][given.test], n_users)


def checked(
    state: Tensor,
    target: Tensor,
    user: Tensor,
    group: Tensor,
    train: Tensor,
    test: Tensor,
    n_users: int,
    n_groups: int,
    ordered: bool,
) -> Items:
    """The arguments of `headroom` as items, or a ValueError."""
    checks.flag("ordered", ordered)
    checks.whole_numbers(1, n_users=n_users, n_groups=n_groups)
    x = checks.float_matrix("state", state)
    user, group = checks.index_vector("user", user), checks.index_vector("group", group)
    y = checks.vector("target", target) if ordered else checks.index_vector("target", target)
    checks.finite("target", y, "leave those items out")
    masks = [checks.mask(name, m) for name, m in (("train", train), ("test", test))]
    for name, column in zip(("target", "user", "train", "test"), (y, user, *masks), strict=True):
        checks.same_length(name, column, "state", x)
    checks.below("user", user, n_users)
    checks.below("group", group, n_groups)
    if len(group) != n_users:
        raise ValueError(
            f"group has {len(group)} entries, expected one for each of {n_users} users"
        )
    both = int((masks[0] & masks[1]).sum())
    if both or not (masks[0].any() and masks[1].any()):
        raise ValueError(
            f"train has {int(masks[0].sum())} items, test {int(masks[1].sum())}, and {both} are in "
            "both; expected some of each, and none in both"
        )
    blocks = {"population": torch.zeros_like(user), "group": group[user], "user": user}
    return Items(x, y, blocks, *masks)
