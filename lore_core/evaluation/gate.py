"""What ridge regressions find in the worlds before anything is trained.

If true groups gain nothing there, no method can be shown to gain by finding them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from lore_core.evaluation import small_tables
from lore_core.evaluation.headroom import headroom
from lore_core.evaluation.worlds import TASKS, THROWN_AWAY, as_regression, given
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES

FILE = FIGURES / "headroom.csv"


def rows(seeds: Sequence[int] = THROWN_AWAY) -> pd.DataFrame:
    """What ridge regressions find in the two worlds, before anything is trained.

    Args:
        seeds: of worlds that no result is reported of.
    """
    found = []
    for task, seed in product(TASKS, seeds):
        levels = headroom(**as_regression(given(task, seed)), generator=draws.generator(seed))
        found.append(levels.assign(task=task, seed=seed))
    columns = ["task", "seed", *found[0].columns.drop(["task", "seed"])]
    return pd.concat(found)[columns].fillna(0.0)  # the population stands on nothing: no gain


def page(seeds: Sequence[int] = THROWN_AWAY) -> str:
    """The gate as text: mean error, or accuracy, of each level by length of history."""
    levels = rows(seeds)
    for name in ("level", "history"):
        levels[name] = pd.Categorical(levels[name], levels[name].unique(), ordered=True)
    found = [f"mean over {len(seeds)} worlds; items in the user's history in columns"]
    for (task, metric), part in levels.groupby(["task", "metric"], sort=False):
        shown = part.pivot_table("mean", "level", "history", observed=True).round(3).to_string()
        found.append(f"\n{task}: {metric}\n{shown}")
    return "\n".join(found)


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The gate as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, ["task", "seed", "history", "level"], ["mean", "low", "high"])
