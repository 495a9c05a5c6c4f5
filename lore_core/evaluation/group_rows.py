"""PROPER beside its rivals on synthetic users of real text: every family, task and seed.

Shapes: N users, of whom the last come later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lore_core.datasets import alpaca_eval, rating_states
from lore_core.evaluation import ridge_ladders, small_tables
from lore_core.evaluation.block_ridge import RIDGES
from lore_core.evaluation.bootstrap import bootstrap, lead
from lore_core.evaluation.headroom import headroom
from lore_core.proper import fit as proper
from lore_core.proper import posterior, rivals
from lore_core.tasks import Panel, Task, rating, tag
from lore_core.tasks.contest import Given, errors
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES

TASKS = {"rating": (rating.make, "digits"), "tag": (tag.make, "letters")}
CLOSED = "closed forms"  # the family without training
SHUFFLED = "another user's"
LONGER = "crowd, twice as long"
FAMILIES = (*rivals.FAMILIES, LONGER, CLOSED)
SEEDS = range(200, 205)
FEW = {"as published": SEEDS[:2]}  # one item a step takes minutes
THROWN_AWAY = range(900, 903)  # worlds on which settings were chosen; nothing is reported of them
BASELINE = "population + user"  # what gains are measured from
SHORTEST = (4, 9, 17, 33)  # of each band of histories; users who come later are a band of their own
REPEATS = 500

N_EXPERTS = (1, 2, 3, 5, 8)

FILE, GATE, EXPERTS = (FIGURES / name for name in ("proper.csv", "headroom.csv", "experts.csv"))
KEYS = ["task", "history", "method"]
NUMBERS = ["mean", "low", "high", "gain", "gain_low", "gain_high", "n_users", "seeds"]


@cache
def given(task: str, seed: int, panel: Panel = rating.PANEL) -> Given:
    """A task on AlpacaEval's responses, with the language model's tail.

    Args:
        task: "rating" or "tag".
        seed: of the users.
        panel: how many they are, and how alike.
    """
    make, labels = TASKS[task]
    states = rating_states.load()
    return Given(make(alpaca_eval.load(), seed, panel), states.state, states.tail(labels))


def per_user(given: Given, family: str, seed: int) -> pd.DataFrame:
    """A row for each method of a family and each user: the mean error on the test items.

    Args:
        given: the task.
        family: one of FAMILIES.
        seed: of the training.

    Returns:
        `method`, `user`, `cold`, `length` of the history, `error`.
    """
    task = given.task
    users = {"user": range(task.n_users), "cold": task.cold, "length": task.lengths}
    found = closed(given) if family == CLOSED else trained(given, family, seed)
    return pd.concat(
        [pd.DataFrame({"method": name, **users, "error": error}) for name, error in found]
    )


def trained(given: Given, family: str, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Each user's error after each stage of a family's recipe."""
    for stage, tuned in rivals.stage_by_stage(given, recipe_of(family), seed):
        name = called(family, stage)
        if name is not None:
            yield name, errors(given.task, rivals.answered(tuned, given, seed))
        if (family, stage) == ("posterior", "person"):
            labels = rivals.answered(tuned, exchanged(given), seed)
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


def exchanged(given: Given) -> Given:
    """The same with every test item asked of the next user: the control."""
    task = given.task
    n_seen, n_new = given.n_seen, task.n_users - given.n_seen
    following = torch.cat([torch.arange(n_seen).roll(-1), n_seen + torch.arange(n_new).roll(-1)])
    user = task.user.where(~mask(len(task), task.test), following[task.user])
    return replace(given, task=replace(task, user=user))


def closed(given: Given) -> Iterator[tuple[str, Tensor]]:
    """Each user's error under a constant, and under ridge regressions on the states."""
    task = given.task
    middle = task.target[task.seen_history].median() if task.ordered else most_frequent(task)
    yield "the same answer always", errors(task, middle.expand(len(task.test)))
    items = ridge_ladders.checked(**as_regression(given))
    for name, score in ridge_ladders.scores(items, task.n_users, task.ordered, RIDGES).items():
        yield f"ridge: {name}", score if task.ordered else 1 - score


def as_regression(given: Given) -> dict[str, Any]:
    """A task as ridge regressions are given it: histories to learn from, test items to answer."""
    task = given.task
    return {
        "state": given.state[task.response],
        "target": torch.tensor(task.values)[task.target] if task.ordered else task.target,
        "user": task.user,
        "group": task.group,
        "train": mask(len(task), task.history),
        "test": mask(len(task), task.test),
        "n_users": task.n_users,
        "n_groups": int(task.group.max()) + 1,
        "ordered": task.ordered,
    }


def mask(n: int, rows: Tensor) -> Tensor:
    """True at some of n rows."""
    found = torch.zeros(n, dtype=torch.bool)
    found[rows] = True
    return found


def most_frequent(task: Task) -> Tensor:
    """The label that the seen users gave most often."""
    return task.target[task.seen_history].bincount().argmax()


def banded(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """All seen users, those of each band of histories, and those who came later."""
    seen = rows[~rows.cold]
    yield "all", seen
    for low, high in zip(SHORTEST, (*(s - 1 for s in SHORTEST[1:]), 64), strict=True):
        yield f"{low}–{high}", seen[seen.length.between(low, high)]
    yield "new, 1–4", rows[rows.cold]


def table(results: dict[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """A row for each task, band of histories and method; intervals over seeds and users.

    Args:
        results: task -> all families' rows of each seed.
    """
    found = []
    for task, seeds in results.items():
        for band, frames in zip(*bands_of(seeds), strict=True):
            found += [{"task": task, "history": band} | row for row in rows_of(frames)]
    return pd.DataFrame(found)


def bands_of(seeds: Sequence[pd.DataFrame]) -> tuple[list[str], list[list[pd.DataFrame]]]:
    """The names of the bands, and for each the rows of every seed."""
    split = [dict(banded(rows)) for rows in seeds]
    return list(split[0]), [[one[band] for one in split] for band in split[0]]


def rows_of(seeds: Sequence[pd.DataFrame]) -> Iterator[dict]:
    """Of each method of the first seed: its mean error, and what it gains on the baseline."""
    columns = [rows.pivot(index="user", columns="method", values="error") for rows in seeds]
    for method in seeds[0].method.unique():
        known = [some for some in columns if method in some]
        own = [torch.tensor(some[method].to_numpy()) for some in known]
        base = [torch.tensor(some[BASELINE].to_numpy()) for some in known]
        mean, low, high = bootstrap(own, draws.generator(0), repeats=REPEATS)
        gain = lead(base, own, draws.generator(0), repeats=REPEATS)
        yield {
            "method": method,
            "mean": mean,
            "low": low,
            "high": high,
            "gain": gain.mean,
            "gain_low": gain.low,
            "gain_high": gain.high,
            "n_users": sum(map(len, own)),
            "seeds": len(own),
        }


def experts(seed: int) -> pd.DataFrame:
    """PROPER's stage 2 on ratings, with more and fewer experts than there are groups.

    Args:
        seed: of the users and of the training.

    Returns:
        `n_experts`, `user`, `error`, and `used`: the perplexity of the users' mean shares.
    """
    world, found = given("rating", seed), []
    start = proper.fit(world.net, world.seen, rivals.OURS.up_to("population"), seed)
    for m in N_EXPERTS:
        recipe = replace(rivals.OURS, n_experts=m).up_to("group")
        tuned = proper.further(start, world.seen, recipe, seed)
        error = errors(world.task, rivals.answered(tuned, world, seed))[: world.n_seen]
        used = float(
            posterior.mean_share(tuned).log().mul(-posterior.mean_share(tuned)).sum().exp()
        )
        rows = {"n_experts": m, "user": range(world.n_seen), "error": error, "used": used}
        found.append(pd.DataFrame(rows))
    return pd.concat(found)


def experts_table(seeds: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """A row for each number of experts: error and experts in use, over the seeds."""
    found = []
    for m in N_EXPERTS:
        some = [rows[rows.n_experts == m] for rows in seeds]
        own = [torch.tensor(rows.error.to_numpy()) for rows in some]
        used = torch.tensor([rows.used.iloc[0] for rows in some])
        error = bootstrap(own, draws.generator(0), repeats=REPEATS)._asdict()
        spread = {"used": used.mean(), "used_low": used.min(), "used_high": used.max()}
        found.append({"n_experts": m} | error | {k: float(v) for k, v in spread.items()})
    return pd.DataFrame(found)


def gate(seeds: Sequence[int] = THROWN_AWAY) -> pd.DataFrame:
    """What ridge regressions find in the two worlds, before anything is trained.

    Args:
        seeds: of worlds that no result is reported of.
    """
    found = []
    for task, seed in product(TASKS, seeds):
        rows = headroom(**as_regression(given(task, seed)), generator=draws.generator(seed))
        found.append(rows.assign(task=task, seed=seed))
    columns = ["task", "seed", *found[0].columns.drop(["task", "seed"])]
    return pd.concat(found)[columns].fillna(0.0)  # the population stands on nothing: no gain


def gate_page(seeds: Sequence[int] = THROWN_AWAY) -> str:
    """The gate as text: mean error, or accuracy, of each level by length of history."""
    rows = gate(seeds)
    rows["level"] = pd.Categorical(rows.level, rows.level.unique(), ordered=True)
    rows["history"] = pd.Categorical(rows.history, rows.history.unique(), ordered=True)
    found = [f"mean over {len(seeds)} worlds; items in the user's history in columns"]
    for (task, metric), part in rows.groupby(["task", "metric"], sort=False):
        page = part.pivot_table("mean", "level", "history", observed=True).round(3).to_string()
        found.append(f"\n{task}: {metric}\n{page}")
    return "\n".join(found)


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, KEYS, NUMBERS)


def read_gate(path: Path | str = GATE) -> pd.DataFrame:
    """The gate as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, ["task", "seed", "history", "level"], ["mean", "low", "high"])


def read_experts(path: Path | str = EXPERTS) -> pd.DataFrame:
    """The table of experts as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, ["n_experts"], ["mean", "low", "high", "used"])
