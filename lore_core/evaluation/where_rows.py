"""Where in a language model a shift of everybody's states helps: by block, and by tokens.

The style task, on the whole model: bits per byte of wanted answers to new instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
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

LAYERS = (15, 20, 25, 29)  # of 30; what enters the one that is moved is read once
POSITIONS = ("l1", "l3", "l7", "f7+l7")
SHARED = Stage(rank=4, learning_rate=3e-3, passes=2, batch=16)

FILE = FIGURES / "where.csv"
KEYS = ["layer", "positions"]
NUMBERS = ["mean", "low", "high", "gain", "gain_low", "gain_high", "n_users"]


def recipe(layer: int, positions: str) -> Recipe:
    """Stage 1 alone, at one block."""
    return Recipe(
        shared=SHARED, personal=None, start="random", layers=(layer,), positions=positions
    )


def items(study: Study, positions: Sequence[str] = POSITIONS, seed: int = SEED) -> pd.DataFrame:
    """Bits per byte of each test item, before, and with a shift at one block.

    Args:
        study: of the style task, from the moved block on; its model stays as it is.
        positions: which tokens of the prompt are moved; each is a run of its own.
        seed: of all draws.

    Returns:
        `layer`, `positions`, `user`, `item`, `base`, and `bits per byte`.
    """
    test, upper = study.task.test, study.upper()
    asked = study.items.select(test)
    nothing = recipe(study.block, positions[0]).up_to(None)
    bare = perfit.fit(upper, study.history, nothing, seed, study.block)
    about = {"user": study.task.user[test], "item": test}
    about["base"] = study.per_byte(bare.all_losses(asked), test)
    found = []
    for some in positions:
        after = perfit.fit(upper, study.history, recipe(study.block, some), seed, study.block)
        columns = about | {BITS: study.per_byte(after.all_losses(asked), test)}
        rows = {name: column.tolist() for name, column in columns.items()}
        found.append(pd.DataFrame({"layer": study.block, "positions": some, **rows}))
    return pd.concat(found, ignore_index=True)


def table(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each place; intervals over users.

    Args:
        found: the rows of all places, as `items` gives them.
    """
    rows = []
    for place, some in found.groupby(KEYS, sort=False):
        users = some.groupby("user")[["base", BITS]].mean()
        base, own = (torch.tensor(users[name].to_numpy()) for name in ("base", BITS))
        gain = lead(-own, -base, draws.generator(0))
        about = dict(zip(KEYS, place, strict=True)) | {"n_users": len(own)}
        about |= bootstrap(own, draws.generator(0))._asdict()
        rows.append(about | {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high})
    return pd.DataFrame(rows)


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, KEYS, NUMBERS)
