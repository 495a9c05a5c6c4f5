"""A profile in the prompt, without tuning: does a language model rate better for knowing a user?

The raters and queries are those of data/shifts.safetensors; only the tail's state is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lore_core.datasets.build.shifts import READING
from lore_core.datasets.shifts import SEED
from lore_core.evaluation import small_tables
from lore_core.evaluation.bootstrap import bootstrap, lead
from lore_core.language_model.tail import Tail
from lore_core.perfit.observe import PROFILES, read
from lore_core.perfit.profiles import Rated
from lore_core.tasks.contest import likeliest
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES

NOTHING = "no profile"
TAIL = "tail"
FILE = FIGURES / "profiles.csv"
NUMBERS = ["mean", "low", "high", "gain", "gain_low", "gain_high", "n_users", "n_items"]


def items(
    model: Any, tokenizer: Any, rated: Rated, tail: Tail, layers: Sequence[Any], cache: Path | str
) -> pd.DataFrame:
    """Each query's error, by what stood before it.

    Args:
        model, tokenizer: a decoder, as `causal.load` gives them.
        rated: the task and its texts.
        tail: the model's, with the labels' rows of the head.
        layers: that are read, "tail" among them; those of the build have been read already.
        cache: folder of what was read.

    Returns:
        `profile`, `user`, `item`, `error`.
    """
    found = []
    for profile in PROFILES:
        how = READING | {"profile": profile, "half": 0, "seed": SEED, "cache": cache}
        states, place = read(model, tokenizer, rated, layers, **how), list(layers).index(TAIL)
        sides = {NOTHING: states.alone} if profile == PROFILES[0] else {}
        for name, side in (sides | {profile: states.told}).items():
            error = wrong(rated, tail, side[:, :, place].flatten(0, 1), states.asked.flatten())
            users = states.user.repeat_interleave(states.asked.shape[1])
            columns = {"user": users, "item": states.asked.flatten(), "error": error}
            found.append(pd.DataFrame({"profile": name, **columns}))
    return pd.concat(found, ignore_index=True)


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
        found: as `items` gives it.
    """
    users = found.pivot_table(index="user", columns="profile", values="error", sort=False)
    rows = []
    for name in users:
        own, base = (torch.tensor(users[which].to_numpy()) for which in (name, NOTHING))
        gain = lead(base, own, draws.generator(0))
        about = {"profile": name, **bootstrap(own, draws.generator(0))._asdict()}
        about |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
        sizes = {"n_users": len(own), "n_items": int((found.profile == name).sum())}
        rows.append(about | sizes)
    return pd.DataFrame(rows)


def read_table(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, ["profile"], NUMBERS)
