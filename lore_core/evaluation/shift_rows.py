"""PerFit beside its rivals: every user's error under each family, on one task and seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
from torch import Tensor

from lore_core.evaluation import bands, group_rows, worlds
from lore_core.perfit import fit as perfit
from lore_core.perfit import rivals
from lore_core.perfit.trials import BEST, drawn
from lore_core.proper import fit as proper
from lore_core.proper import rivals as groups
from lore_core.tasks.contest import Given, errors
from lore_core.tasks.items import Labelled
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES

# What the table calls the network after a family's stages; what is missing is another family's too.
NAMES = {
    "shifts": {"base": "no tuning", "shared": "stage 1 alone", "personal": "both stages"},
    "without stages": {"shared": "one φ, as wide and as long"},
    "as published": {"shared": "stage 1 alone, as published", "personal": "as published"},
}
CONTROL = "another user's φ"
WRONG = "stage 1 on shuffled answers"  # a family of its own
LEAN = "population + user, rank 1"  # an adapter with about as many numbers as a user's φ
DRAWN = "both stages, best of 20 trials"
LORA = ("crowd", "own adapter alone", "posterior", group_rows.CLOSED)  # as lesson 9 has them
BORROWED = (
    "the same answer always",
    "population",
    "population + user",
    "own adapter alone",
    "posterior + user",
    "ridge: population",
    "ridge: + user",
)
FAMILIES = (*rivals.FAMILIES, WRONG, DRAWN, LEAN, *LORA)
BASELINE = "population + user"  # what gains are measured from
FILE = FIGURES / "perfit.csv"


def per_user(given: Given, family: str, seed: int) -> pd.DataFrame:
    """A row for each method of a family and each user: the mean error on the test items.

    Args:
        given: the task.
        family: one of FAMILIES.
        seed: of the training.

    Returns:
        As `bands.per_user`.
    """
    if family in LORA:
        rows = group_rows.per_user(given, family, seed)
        return rows[rows.method.isin(BORROWED)]
    controls = {WRONG: misled, DRAWN: searched, LEAN: lean}
    found = controls[family](given, seed) if family in controls else trained(given, family, seed)
    return bands.per_user(given.task, found)


def trained(given: Given, family: str, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Each user's error after each stage of a family's recipe that has a name."""
    names = NAMES.get(family, {"personal": family})
    for stage, shifted in rivals.stage_by_stage(given, rivals.FAMILIES[family], seed):
        if stage in names:
            yield names[stage], errors(given.task, rivals.answered(shifted, given, seed))
        if (family, stage) == ("shifts", "personal"):
            labels = rivals.answered(shifted, worlds.exchanged(given), seed)
            yield CONTROL, errors(given.task, labels)


def misled(given: Given, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Stage 1 learns from answers dealt out anew, which say how often a label is given, no more."""
    recipe = rivals.OURS
    wrong = shuffled(given.seen, seed)
    shifted = perfit.fit(given.net, wrong, recipe.up_to("shared"), seed)
    yield WRONG, errors(given.task, rivals.answered(shifted, given, seed))
    shifted = perfit.further(shifted, given.seen, recipe, seed)
    yield f"{WRONG}, then stage 2", errors(given.task, rivals.answered(shifted, given, seed))


def searched(given: Given, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Both stages under the settings that did best of those drawn at random, on other worlds."""
    best = drawn(BEST["rating" if given.task.ordered else "tag"])
    shifted = perfit.fit(given.net, given.seen, best, seed)
    yield DRAWN, errors(given.task, rivals.answered(shifted, given, seed))


def lean(given: Given, seed: int) -> Iterator[tuple[str, Tensor]]:
    """The crowd's adapter, then for each user one of rank 1, scaled as the wider one is."""
    crowd = groups.FAMILIES["crowd"]
    assert crowd.person is not None
    thin = replace(crowd.person, rank=1, alpha=crowd.person.alpha / crowd.person.rank)
    tuned = proper.fit(given.net, given.seen, replace(crowd, person=thin), seed)
    yield LEAN, errors(given.task, groups.answered(tuned, given, seed))


def shuffled(items: Labelled, seed: int) -> Labelled:
    """The same items with their answers in another order."""
    return replace(items, target=items.target[draws.order(draws.generator(seed), len(items))])


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table of all seeds as it was written; errors as in `small_tables.read`."""
    return bands.read(path)
