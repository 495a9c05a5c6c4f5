"""PROPER beside its rivals: every user's error under each family, on one task and seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
from torch import Tensor

from lore_core.evaluation import bands, ridge_ladders, worlds
from lore_core.evaluation.block_ridge import RIDGES
from lore_core.proper import rivals
from lore_core.tasks import Task
from lore_core.tasks.contest import Given, errors
from lore_core.tools.paths import FIGURES

CLOSED = "closed forms"  # the family without training
SHUFFLED = "another user's"
LONGER = "crowd, twice as long"
FAMILIES = (*rivals.FAMILIES, LONGER, CLOSED)
FEW = {"as published": worlds.SEEDS[:2]}  # one item a step takes minutes
BASELINE = "population + user"  # what gains are measured from
FILE = FIGURES / "proper.csv"


def per_user(given: Given, family: str, seed: int) -> pd.DataFrame:
    """A row for each method of a family and each user: the mean error on the test items.

    Args:
        given: the task.
        family: one of FAMILIES.
        seed: of the training.

    Returns:
        As `bands.per_user`.
    """
    found = closed(given) if family == CLOSED else trained(given, family, seed)
    return bands.per_user(given.task, found)


def trained(given: Given, family: str, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Each user's error after each stage of a family's recipe."""
    for stage, tuned in rivals.stage_by_stage(given, recipe_of(family), seed):
        name = called(family, stage)
        if name is not None:
            yield name, errors(given.task, rivals.answered(tuned, given, seed))
        if (family, stage) == ("posterior", "person"):
            labels = rivals.answered(tuned, worlds.exchanged(given), seed)
            yield SHUFFLED, errors(given.task, labels)


def recipe_of(family: str) -> rivals.Recipe:
    """The recipe of a family."""
    if family != LONGER:
        return rivals.FAMILIES[family]
    once = rivals.OURS.up_to("population")
    assert once.population is not None
    return replace(once, population=replace(once.population, passes=2 * once.population.passes))


def called(family: str, stage: str) -> str | None:
    """What a stage of a family is called in the table; None for what another family has too."""
    if family == LONGER:
        return "population, twice as long" if stage == "population" else None
    if family == "crowd":
        return {"base": "no tuning", "population": "population", "person": BASELINE}.get(stage)
    if family == "own adapter alone":
        return family if stage == "person" else None
    ends = {"group": "", "person": " + user", "reroute": " + user, rerouted"}
    return f"{family}{ends[stage]}" if stage in ends else None


def closed(given: Given) -> Iterator[tuple[str, Tensor]]:
    """Each user's error under a constant, and under ridge regressions on the states."""
    task = given.task
    middle = task.target[task.seen_history].median() if task.ordered else most_frequent(task)
    yield "the same answer always", errors(task, middle.expand(len(task.test)))
    items = ridge_ladders.checked(**worlds.as_regression(given))
    for name, score in ridge_ladders.scores(items, task.n_users, task.ordered, RIDGES).items():
        yield f"ridge: {name}", score if task.ordered else 1 - score


def most_frequent(task: Task) -> Tensor:
    """The label that the seen users gave most often."""
    return task.target[task.seen_history].bincount().argmax()


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table of all seeds as it was written; errors as in `small_tables.read`."""
    return bands.read(path)
