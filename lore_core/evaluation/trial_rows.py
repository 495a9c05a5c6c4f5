"""How PerFit does under settings drawn at random, on validation items of worlds thrown away.

No test item is read, and nothing else is reported of these worlds.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch

from lore_core.evaluation import small_tables
from lore_core.perfit import fit as perfit
from lore_core.perfit import rivals
from lore_core.perfit.recipe import Recipe
from lore_core.perfit.trials import N_TRIALS, drawn
from lore_core.tasks.contest import Given, errors
from lore_core.tools.paths import FIGURES

OURS = "ours"  # chosen by hand, one setting after another, on the same worlds
NOTHING = "no tuning"
TRIALS = (NOTHING, OURS, *map(str, range(N_TRIALS)))
FILE = FIGURES / "trials.csv"
KEYS = ["task", "trial"]
SETTINGS = ["shared_rank", "shared_rate", "user_rank", "user_rate", "shrink"]
NUMBERS = [*SETTINGS, "error", "n_users"]


def recipe(trial: str) -> Recipe:
    """The settings under a name, one of TRIALS."""
    if trial == NOTHING:
        return rivals.OURS.up_to(None)
    return rivals.OURS if trial == OURS else drawn(int(trial))


def settings(trial: str) -> dict[str, float]:
    """What differs between trials; zeros where nothing is trained."""
    of = recipe(trial)
    if of.shared is None or of.personal is None:
        return dict.fromkeys(SETTINGS, 0.0)
    shared, personal = (of.shared.rank, of.shared.learning_rate), of.personal
    values = (*shared, personal.rank, personal.learning_rate, personal.shrink)
    return dict(zip(SETTINGS, values, strict=True))


def table(tasks: dict[str, Iterable[Given]], trial: str, seed: int = 0) -> pd.DataFrame:
    """A row for each task: the mean error on seen users' validation items, over all worlds.

    Args:
        tasks: name -> its worlds, read once each.
        trial: one of TRIALS.
        seed: of the training.
    """
    rows = []
    for task, worlds in tasks.items():
        found = torch.cat([validated(given, recipe(trial), seed) for given in worlds])
        about = {"task": task, "trial": trial} | settings(trial)
        rows.append(about | {"error": float(found.mean()), "n_users": len(found)})
    return pd.DataFrame(rows)


def validated(given: Given, recipe: Recipe, seed: int) -> torch.Tensor:
    """Each seen user's mean error on validation items."""
    shifted = perfit.fit(given.net, given.seen, recipe, seed)
    labels = rivals.answered(shifted, given, seed, part="validation")
    return errors(given.task, labels, "validation")[: given.n_seen]


def best(found: pd.DataFrame, task: str) -> int:
    """The random trial with the smallest error on a task."""
    errors = found[found.task == task].set_index("trial").error
    return int(str(errors.drop([NOTHING, OURS]).idxmin()))


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, KEYS, NUMBERS).astype({"trial": str})
