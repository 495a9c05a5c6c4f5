"""How much there is to gain: ridge regressions that know the population, the group, the user.

What closed forms cannot find here, training will hardly find either. If the true group does not
beat the population, or group and user together do not beat the user, then this world cannot show
that groups help.

Shapes: B items, d features, N users.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pandas as pd
import torch
from torch import Tensor

from lore_core.evaluation.block_ridge import RIDGES
from lore_core.evaluation.bootstrap import bootstrap, lead
from lore_core.evaluation.ridge_ladders import LADDERS, checked, scores
from lore_core.tools import checks

BANDS = (0, 4, 8, 16, 32, 64)  # history lengths: 1 to 4, 5 to 8, 9 to 16, ...
BELOW = {"+ group": "population", "+ user": "population", "+ group + user": "+ user"}


def headroom(
    state: Tensor,
    target: Tensor,
    user: Tensor,
    group: Tensor,
    train: Tensor,
    test: Tensor,
    n_users: int,
    n_groups: int,
    generator: torch.Generator,
    ordered: bool = True,
    ridges: Sequence[float] = RIDGES,
    bands: Sequence[int] = BANDS,
    repeats: int = 1000,
) -> pd.DataFrame:
    """What four ladders of ridge regressions reach on test items, by length of history.

    Args:
        state: (B, d) what is known of each item.
        target: (B,) numbers, or with `ordered=False` classes from 0.
        user: (B,) whose item it is.
        group: (N,) the true group of each user.
        train, test: (B,) masks; a user's history is the user's items in `train`.
        n_users, n_groups: N, and number of groups.
        generator: source of the bootstrap over users.
        ordered: whether targets are numbers. Then the score is the mean absolute error of
            predictions drawn into the range of the training targets; else the accuracy of the class
            whose own ridge regression says most.
        ridges: penalties, from which the leave-one-out error of training items chooses.
        bands: lengths of history at which one band ends and the next begins.
        repeats: resamples.

    Returns:
        A row for each band ("all" comes first) and each of LADDERS: `history`, `level`, `n_users`,
        `metric`, `mean`, `low`, `high`, and `gain`, `gain_low`, `gain_high` over the level in
        BELOW, above 0 where this one is better. A band without test items is left out.

    Raises:
        ValueError: shapes disagree, an id is out of range, or an item is for training and test.
    """
    given = checked(state, target, user, group, train, test, n_users, n_groups, ordered)
    checks.rising("bands", tuple(bands))
    per_user = scores(given, n_users, ordered, ridges)
    history = given.blocks["user"][given.train].bincount(minlength=n_users)
    tested = ~per_user["population"].isnan()
    rows = [
        {"history": label, "level": name, "n_users": int(some.sum())}
        | summary(name, of(per_user, some), ordered, generator, repeats)
        for label, band in banded(history, bands)
        if (some := band & tested).any()
        for name in LADDERS
    ]
    return pd.DataFrame(rows)


def banded(history: Tensor, bands: Sequence[int]) -> Iterator[tuple[str, Tensor]]:
    """All users, and those of each band of history lengths."""
    yield "all", torch.ones_like(history, dtype=torch.bool)
    for low, high in pairwise(bands):
        yield f"{low + 1}–{high}", (low < history) & (history <= high)


def of(per_user: dict[str, Tensor], some: Tensor) -> dict[str, Tensor]:
    """The same of some users alone."""
    return {name: values[some] for name, values in per_user.items()}


def summary(
    name: str,
    per_user: dict[str, Tensor],
    ordered: bool,
    generator: torch.Generator,
    repeats: int,
) -> dict[str, str | float]:
    """A level's mean score, and its gain over the level below, with intervals."""
    mean, low, high = bootstrap(per_user[name], generator, repeats=repeats)
    gain = gain_low = gain_high = float("nan")
    if name in BELOW:
        more, less = per_user[name], per_user[BELOW[name]]
        one, other = (less, more) if ordered else (more, less)
        gain, gain_low, gain_high, _ = lead(one, other, generator, repeats=repeats)
    return {
        "metric": "MAE" if ordered else "accuracy",
        "mean": mean,
        "low": low,
        "high": high,
        "gain": gain,
        "gain_low": gain_low,
        "gain_high": gain_high,
    }
