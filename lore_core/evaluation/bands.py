"""Errors of many methods by the length of users' histories, with intervals over seeds and users.

Shapes: N users.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from lore_core.evaluation import small_tables
from lore_core.evaluation.bootstrap import bootstrap, lead
from lore_core.tasks import Task
from lore_core.tools import draws

SHORTEST = (4, 9, 17, 33)  # of each band of histories; users who come later are a band of their own
REPEATS = 500
KEYS = ["task", "history", "method"]
NUMBERS = ["mean", "low", "high", "gain", "gain_low", "gain_high", "n_users", "seeds"]


def per_user(task: Task, found: Iterable[tuple[str, Tensor]]) -> pd.DataFrame:
    """A row for each method and each user.

    Args:
        task: with N users.
        found: name of the method -> each user's mean error on the test items, (N,).

    Returns:
        `method`, `user`, `cold`, `length` of the history, `error`.
    """
    users = {"user": range(task.n_users), "cold": task.cold, "length": task.lengths}
    return pd.concat(
        [pd.DataFrame({"method": name, **users, "error": error}) for name, error in found]
    )


def banded(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """All seen users, those of each band of histories, and those who came later."""
    seen = rows[~rows.cold]
    yield "all", seen
    for low, high in zip(SHORTEST, (*(s - 1 for s in SHORTEST[1:]), 64), strict=True):
        yield f"{low}–{high}", seen[seen.length.between(low, high)]
    yield "new, 1–4", rows[rows.cold]


def table(results: dict[str, Sequence[pd.DataFrame]], baseline: str) -> pd.DataFrame:
    """A row for each task, band of histories and method; intervals over seeds and users.

    Args:
        results: task -> all methods' rows of each seed, as `per_user` gives them.
        baseline: the method that gains are measured from.
    """
    found = []
    for task, seeds in results.items():
        for band, frames in zip(*bands_of(seeds), strict=True):
            found += [{"task": task, "history": band} | row for row in rows_of(frames, baseline)]
    return pd.DataFrame(found)


def bands_of(seeds: Sequence[pd.DataFrame]) -> tuple[list[str], list[list[pd.DataFrame]]]:
    """The names of the bands, and for each the rows of every seed."""
    split = [dict(banded(rows)) for rows in seeds]
    return list(split[0]), [[one[band] for one in split] for band in split[0]]


def rows_of(seeds: Sequence[pd.DataFrame], baseline: str) -> Iterator[dict]:
    """Of each method of the first seed: its mean error, and what it gains on the baseline."""
    columns = [rows.pivot(index="user", columns="method", values="error") for rows in seeds]
    for method in seeds[0].method.unique():
        known = [some for some in columns if method in some]
        own = [torch.tensor(some[method].to_numpy()) for some in known]
        base = [torch.tensor(some[baseline].to_numpy()) for some in known]
        mean, low, high = bootstrap(own, draws.generator(0), repeats=REPEATS)
        gain = lead(base, own, draws.generator(0), repeats=REPEATS)
        yield {
            "method": method,
            "mean": mean,
            "low": low,
            "high": high,
            "gain": gain.mean,
            "gain_low": gain.low,
            "gain_high": gain.high,
            "n_users": sum(map(len, own)),
            "seeds": len(own),
        }


def read(path: Path | str) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, KEYS, NUMBERS)
