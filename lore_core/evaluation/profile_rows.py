"""A profile in the prompt, without tuning: does a language model rate better for knowing a user?

With three items, the raters and queries are those of data/shifts.safetensors; with ten, raters who
gave enough. Only the tail's state is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lore_core.datasets.build.shifts import READING
from lore_core.datasets.shifts import PANEL, SEED
from lore_core.evaluation import person_rows, small_tables
from lore_core.evaluation.bootstrap import bootstrap, lead
from lore_core.language_model.tail import Tail
from lore_core.perfit.observe import PROFILES, read, shifts
from lore_core.perfit.profiles import Rated
from lore_core.tasks.contest import likeliest
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES

# Two draws of ten items need twenty ratings. An item has about as many tokens as with three.
LONG_PANEL = replace(PANEL, n_users=60, shortest=20)
LONG = READING | {"n_queries": 2, "k": 10, "budget": 480}

NOTHING = "no profile"
TAIL = "tail"
FILE = FIGURES / "profiles.csv"
NUMBERS = ["mean", "low", "high", "gain", "gain_low", "gain_high", "n_users", "n_items"]


def items(
    model: Any,
    tokenizer: Any,
    rated: Rated,
    tail: Tail,
    layers: Sequence[Any],
    cache: Path | str,
    reading: dict[str, Any] = READING,
) -> pd.DataFrame:
    """Each query's error, by what stood before it.

    Args:
        model, tokenizer: a decoder, as `causal.load` gives them.
        rated: the task and its texts.
        tail: the model's, with the labels' rows of the head.
        layers: that are read, "tail" among them; those of the build have been read already.
        cache: folder of what was read.
        reading: `n_queries`, `k` and `budget`, as `observe.read` takes them.

    Returns:
        `k`, `profile`, `user`, `item`, `error`.
    """
    found, place = [], list(layers).index(TAIL)
    for profile in PROFILES:
        how = reading | {"profile": profile, "half": 0, "seed": SEED, "cache": cache}
        states = read(model, tokenizer, rated, layers, **how)
        sides = {NOTHING: states.alone} if profile == PROFILES[0] else {}
        for name, side in (sides | {profile: states.told}).items():
            error = wrong(rated, tail, side[:, :, place].flatten(0, 1), states.asked.flatten())
            users = states.user.repeat_interleave(states.asked.shape[1])
            columns = {"user": users, "item": states.asked.flatten(), "error": error}
            found.append(pd.DataFrame({"k": reading["k"], "profile": name, **columns}))
    return pd.concat(found, ignore_index=True)


def persons(
    model: Any,
    tokenizer: Any,
    rated: Rated,
    layers: Sequence[Any],
    cache: Path | str,
    reading: dict[str, Any] = LONG,
) -> pd.DataFrame:
    """Whether users are to be seen in their shifts, by layer; see `person_rows`.

    Args:
        model, tokenizer, rated, layers, cache, reading: as in `items`.

    Raises:
        ValueError: somebody has too few items for two draws.
    """
    draws_of = {"own": ("own", 0), "again": ("own", 1), "other": ("other", 0)}
    found = {}
    for name, (profile, half) in draws_of.items():
        how = reading | {"profile": profile, "half": half, "seed": SEED, "cache": cache}
        found[name] = shifts(model, tokenizer, rated, layers, **how)
    values = [one.value for one in found.values()]
    by_layer = {str(name): [of[:, i] for of in values] for i, name in enumerate(layers)}
    return person_rows.table(by_layer, rated.task.group[found["own"].user])


def wrong(rated: Rated, tail: Tail, states: Tensor, rows: Tensor) -> Tensor:
    """The absolute error of each answer, (n,)."""
    task = rated.task
    with torch.no_grad():
        label = likeliest(tail(states).softmax(1), task.ordered)
    number = torch.tensor(task.values)
    return (number[label] - number[task.target[rows]]).abs()


def table(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each profile; intervals over users, gains over no profile.

    Args:
        found: as `items` gives it, of one k or of several.
    """
    rows = []
    for k, some in found.groupby("k", sort=False):
        users = some.pivot_table(index="user", columns="profile", values="error", sort=False)
        for name in users:
            own, base = (torch.tensor(users[which].to_numpy()) for which in (name, NOTHING))
            gain = lead(base, own, draws.generator(0))
            about = {"k": k, "profile": name, **bootstrap(own, draws.generator(0))._asdict()}
            about |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
            rows.append(about | {"n_users": len(own), "n_items": int((some.profile == name).sum())})
    return pd.DataFrame(rows)


def read_table(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, ["k", "profile"], NUMBERS)
