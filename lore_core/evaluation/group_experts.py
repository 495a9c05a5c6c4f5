"""PROPER's stage 2 with more and fewer experts than there are groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from lore_core.evaluation import small_tables, worlds
from lore_core.evaluation.bands import REPEATS
from lore_core.evaluation.bootstrap import bootstrap
from lore_core.proper import fit as proper
from lore_core.proper import posterior, rivals
from lore_core.tasks.contest import errors
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES

N_EXPERTS = (1, 2, 3, 5, 8)
FILE = FIGURES / "experts.csv"


def rows(seed: int) -> pd.DataFrame:
    """PROPER's stage 2 on ratings, with more and fewer experts than there are groups.

    Args:
        seed: of the users and of the training.

    Returns:
        `n_experts`, `user`, `error`, and `used`: the perplexity of the users' mean shares.
    """
    world, found = worlds.given("rating", seed), []
    start = proper.fit(world.net, world.seen, rivals.OURS.up_to("population"), seed)
    for m in N_EXPERTS:
        recipe = replace(rivals.OURS, n_experts=m).up_to("group")
        tuned = proper.further(start, world.seen, recipe, seed)
        error = errors(world.task, rivals.answered(tuned, world, seed))[: world.n_seen]
        used = float(torch.special.entr(posterior.mean_share(tuned)).sum().exp())
        columns = {"n_experts": m, "user": range(world.n_seen), "error": error, "used": used}
        found.append(pd.DataFrame(columns))
    return pd.concat(found)


def table(seeds: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """A row for each number of experts: error and experts in use, over the seeds."""
    found = []
    for m in N_EXPERTS:
        some = [one[one.n_experts == m] for one in seeds]
        own = [torch.tensor(one.error.to_numpy()) for one in some]
        used = torch.tensor([one.used.iloc[0] for one in some])
        error = bootstrap(own, draws.generator(0), repeats=REPEATS)._asdict()
        spread = {"used": used.mean(), "used_low": used.min(), "used_high": used.max()}
        found.append({"n_experts": m} | error | {k: float(v) for k, v in spread.items()})
    return pd.DataFrame(found)


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table of experts as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, ["n_experts"], ["mean", "low", "high", "used"])
