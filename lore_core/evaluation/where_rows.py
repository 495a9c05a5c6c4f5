"""Where in a language model a shift of everybody's states helps: by block, and by tokens.

The style task, on the whole model: bits per byte of wanted answers to new instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd
import torch

from lore_core.evaluation import small_tables
from lore_core.evaluation.bootstrap import bootstrap, lead
from lore_core.evaluation.style_rows import BITS, SEED
from lore_core.evaluation.style_study import Study
from lore_core.perfit import fit as perfit
from lore_core.perfit.recipe import Recipe, Stage
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES

BLOCK = 15  # what enters it is read once; of 30
LAYERS = (15, 20, 25, 29)
POSITIONS = ("l1", "l3", "l7", "f7+l7")
PLACES = tuple(product(LAYERS, POSITIONS))
SHARED = Stage(rank=4, learning_rate=3e-3, passes=2, batch=16)

FILE = FIGURES / "where.csv"
KEYS = ["layer", "positions"]
NUMBERS = ["mean", "low", "high", "gain", "gain_low", "gain_high", "n_users"]


def recipe(layer: int, positions: str) -> Recipe:
    """Stage 1 alone, at one block."""
    return Recipe(
        shared=SHARED, personal=None, start="random", layers=(layer,), positions=positions
    )


def items(study: Study, recipe: Recipe, seed: int = SEED) -> pd.DataFrame:
    """Bits per byte of each test item, before and after.

    Args:
        study: of the style task, from BLOCK on; its model stays as it is.
        recipe: of PerFit.
        seed: of all draws.

    Returns:
        `user`, `item`, `base`, and `bits per byte`.
    """
    test = study.task.test
    asked, upper = study.items.select(test), study.upper()
    found = {"user": study.task.user[test], "item": test}
    before = perfit.fit(upper, study.history, recipe.up_to(None), seed, study.block)
    found["base"] = study.per_byte(before.all_losses(asked), test)
    after = perfit.further(before, study.history, recipe, seed)
    found[BITS] = study.per_byte(after.all_losses(asked), test)
    return pd.DataFrame({name: column.tolist() for name, column in found.items()})


def table(results: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """A row for each of PLACES; intervals over users.

    Args:
        results: the rows of each place, as `items` gives them.
    """
    rows = []
    for (layer, positions), found in zip(PLACES, results, strict=True):
        users = found.groupby("user")[["base", BITS]].mean()
        base, own = (torch.tensor(users[name].to_numpy()) for name in ("base", BITS))
        gain = lead(-own, -base, draws.generator(0))
        about = {"layer": layer, "positions": positions, "n_users": len(own)}
        about |= bootstrap(own, draws.generator(0))._asdict()
        rows.append(about | {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high})
    return pd.DataFrame(rows)


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, KEYS, NUMBERS)
