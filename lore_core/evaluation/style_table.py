"""Answers in a user's style: the table of all methods, and a few of the texts.

Synthetic users, real text. Each user's answers are measured on instructions that nobody trained on.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from lore_core.evaluation import small_tables, style_history, style_xlora
from lore_core.evaluation.bootstrap import bootstrap, lead
from lore_core.evaluation.style_rows import BASE, BITS, CONTROL, FAMILIES, POPULATION
from lore_core.tasks import Task
from lore_core.tasks.rouge import KINDS
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES

MEASURES = {BITS: -1.0, **dict.fromkeys(KINDS, 1.0)}  # -1 where less is better
METHODS = (
    *(name for _, names in FAMILIES.values() for name in names.values()),
    CONTROL,
    *style_history.METHODS,
    style_xlora.METHOD,
)

FILE = FIGURES / "style.csv"
TEXTS = FIGURES / "style_texts.csv"
KEYS = ["method", "measure"]
NUMBERS = ["mean", "low", "high", "gain", "gain_low", "gain_high", "n_users", "n_items"]


def table(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each method and measure; intervals over users.

    Args:
        found: the rows of all families, see `items`.
    """
    rows = []
    for measure, sign in MEASURES.items():
        some = found.dropna(subset=measure)
        users = some.pivot_table(index="user", columns="method", values=measure)
        for method in METHODS:
            own, base = (torch.tensor(users[name].to_numpy()) for name in (method, POPULATION))
            mean = bootstrap(own, draws.generator(0))._asdict()
            gain = lead(sign * own, sign * base, draws.generator(0))
            shown = {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
            sizes = {"n_users": len(own), "n_items": int((some.method == method).sum())}
            rows.append({"method": method, "measure": measure} | mean | shown | sizes)
    return pd.DataFrame(rows)


def shown(task: Task, found: pd.DataFrame) -> pd.DataFrame:
    """Four texts: two users' first test items, before and after.

    The users are those with the longest histories in two groups; which texts these are does not
    depend on what came out. The wanted response goes by its row, since its text is not ours.
    """
    longest = task.lengths.argsort(descending=True, stable=True).tolist()
    first = longest[0]
    second = next((user for user in longest if task.group[user] != task.group[first]), first)
    rows = []
    for user in (first, second):
        item = int(found[found.user == user].item.min())
        about = {"user": user, "group": int(task.group[user]), "history": int(task.lengths[user])}
        for method in (BASE, "PROPER"):
            row = found[(found.method == method) & (found.item == item)].iloc[0]
            wanted = {"response": int(task.target[item])}
            rows.append(about | wanted | row[["method", *MEASURES, "text"]].to_dict())
    return pd.DataFrame(rows)


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, KEYS, NUMBERS)


def read_texts(path: Path | str = TEXTS) -> pd.DataFrame:
    """The four texts as they were written; errors as in `small_tables.read`."""
    return small_tables.read(path, ["user", "method"], ["group", "history", "text", *MEASURES])
