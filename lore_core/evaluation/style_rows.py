"""Answers in a user's style: what PROPER and its rivals learn, item by item, on a language model.

Synthetic users, real text. Each user's answers are measured on instructions that nobody trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from lore_core.evaluation.style_study import Study
from lore_core.proper import plan
from lore_core.proper.fit import complete
from lore_core.proper.recipe import Recipe, Stage
from lore_core.proper.tuned import Tuned
from lore_core.tasks import Task, style
from lore_core.tasks.rouge import rouge
from lore_core.tools.files import whole

SEED = 200
BLOCK = 24  # of 30; gate, up and down of this one and those above are adapted
TOKENS = 48  # of an answer
SPOKEN = 4  # test items of each user that are answered; all are read
PANEL = replace(style.PANEL, n_validation=0)
BITS = "bits per byte"

# Hardly searched: one world, seed 900, of which nothing is reported, one rate and length for the
# population, and three rates for the person, of which 0.001 and 0.01 changed nothing on validation
# items and 0.1 did harm.
RECIPE = replace(
    plan.OURS,
    population=Stage(rank=8, alpha=16, learning_rate=1e-3, passes=3, batch=16),
    group=Stage(learning_rate=1e-3, passes=1, batch=16),
    person=Stage(learning_rate=0.01, passes=5, optimizer="sgd", batch=None, warm_up=0),
    rounds=3,
)
LONGER = Stage(learning_rate=1e-3, passes=3, batch=16)  # as many passes, where all are one round
# Name of the family -> its recipe, and what the table calls the model after each stage.
BASE, POPULATION, CONTROL = "no tuning", "population", "another user's"
FAMILIES: dict[str, tuple[Recipe, dict[str, str]]] = {
    "base": (RECIPE.up_to(None), {"base": BASE}),
    "crowd": (
        replace(RECIPE, group=None),
        {"population": POPULATION, "person": "population + user"},
    ),
    "true groups": (
        replace(RECIPE, routes="given", person=None, group=LONGER),
        {"group": "true groups"},
    ),
    "PROPER": (RECIPE, {"group": "PROPER without users' adapters", "person": "PROPER"}),
}


def population(study: Study, recipe: Recipe = RECIPE, seed: int = SEED) -> Tuned:
    """The model after stage 1, which all tuned ones share: LoRA on the same layers as later on.

    Args:
        study: whose model learns.
        recipe: of all stages.
        seed: of all draws.
    """
    tuned = study.untuned()
    complete(tuned, study.history, recipe.up_to("population"), seed)
    return tuned


def items(
    study: Study,
    family: str,
    weights: dict[str, Tensor] | None,
    seed: int = SEED,
    families: dict[str, tuple[Recipe, dict[str, str]]] = FAMILIES,
) -> pd.DataFrame:
    """A row for each method of a family and each test item, of all measures.

    Args:
        study: whose model learns; it is changed.
        family: one of `families`.
        weights: after stage 1; None for a family without it.
        seed: of all draws.
        families: recipes, and names of what is measured.

    Returns:
        `method`, `user`, `item`, the measures, and `text` where the item was answered.
    """
    recipe, names = families[family]
    test = study.task.test
    own, other = (study.task.user[test] + step for step in (0, 1))
    found = []
    for stage, tuned in stages(study, recipe, weights, seed):
        if stage in names:
            found.append(measured(study, tuned, own).assign(method=names[stage]))
    if names.get("person") == "PROPER":
        found.append(measured(study, tuned, other % study.task.n_users).assign(method=CONTROL))
    return pd.concat(found, ignore_index=True)


def stages(
    study: Study, recipe: Recipe, weights: dict[str, Tensor] | None, seed: int
) -> Iterator[tuple[str, Tuned]]:
    """The model after each stage of a recipe, one object that goes on learning."""
    tuned = study.untuned(weights)
    yield "population" if weights else "base", tuned
    for stage in recipe.stages:
        if stage not in tuned.recipe.stages:
            complete(tuned, study.history, recipe.up_to(stage), seed, study.task.group)
            yield stage, tuned


def measured(study: Study, tuned: Tuned, user: Tensor) -> pd.DataFrame:
    """All measures of the test items, read and answered as if by some users (k,)."""
    test, mask = study.task.test, spoken(study.task)
    texts = study.answers(tuned, test[mask], user[mask], TOKENS)
    return frame(study, study.bits_per_byte(tuned, test, user), texts)


def spoken(task: Task) -> Tensor:
    """Which test items are answered, (k,) booleans: each user's first ones."""
    counts = task.user[task.test].bincount()
    return torch.cat([torch.arange(int(n)) for n in counts]) < SPOKEN


def frame(study: Study, bits: Tensor, texts: Sequence[str]) -> pd.DataFrame:
    """A row for each test item, of all measures.

    Args:
        study: whose task it is.
        bits: (k,) per byte, of every test item.
        texts: the answers to those that `spoken` names.
    """
    task, mask = study.task, spoken(study.task)
    test = task.test
    read = {"user": task.user[test], "item": test, BITS: bits}
    scores = rouge(texts, [study.wanted[row] for row in test[mask].tolist()])
    heard = {name: column.tolist() for name, column in scores.items()} | {"text": list(texts)}
    answered = pd.DataFrame(heard, index=mask.nonzero().flatten().tolist())
    return pd.DataFrame({name: column.tolist() for name, column in read.items()}).join(answered)


def write(path: Path | str, found: pd.DataFrame) -> None:
    """Write rows with their texts."""
    with whole(path) as unfinished:
        found.to_json(unfinished, orient="records", indent=1, force_ascii=False)


def gathered(paths: Sequence[Path | str]) -> pd.DataFrame:
    """The rows of some files that `write` wrote."""
    read = [pd.read_json(path, dtype=False) for path in paths]
    return pd.concat(read, ignore_index=True)
