"""PROPER and its rivals as recipes, and their answers to a personal task.

A family is one way to send users to experts. Its stages give several rows of a table: the crowd,
groups, groups and persons.

Shapes: M responses, N users, n items to answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from lore_core.proper import fit as proper
from lore_core.proper.recipe import PAPER, Recipe, Stage
from lore_core.proper.tuned import Tuned
from lore_core.tasks import contest
from lore_core.tasks.contest import Given

# Learning rates, passes and starts were chosen on the validation items of worlds of which nothing
# is reported (seeds 900 to 902), each family's for itself.
OURS = Recipe()
AT_ONCE = Stage(passes=8)  # where users' shares do not change while the experts are trained
ROUTER = replace(OURS, routes="published", group=AT_ONCE)
AS_BUILT = replace(
    ROUTER,
    group=Stage(passes=8, learning_rate=1e-3),
    softmax="double",
    average=True,
    start="random",
    person_start="informed",  # the router is in question, and our rate is for that start
)

# Name of the family -> its recipe.
FAMILIES: dict[str, Recipe] = {
    "crowd": replace(OURS, group=None),
    "posterior": replace(OURS, reroute=Stage(passes=2)),
    "k-means": replace(OURS, routes="hard", group=AT_ONCE),
    "true groups": replace(OURS, routes="given", group=AT_ONCE),
    "no router": replace(OURS, routes="uniform", group=AT_ONCE),
    "published router": AS_BUILT,
    "double softmax": replace(ROUTER, softmax="double"),
    "one softmax": ROUTER,
    "router of inputs": replace(ROUTER, reads="input"),
    "router of users": replace(ROUTER, reads="user"),
    "no stage 1": replace(OURS, population=None),
    "own adapter alone": replace(OURS, population=None, group=None),
    "as published": PAPER,
}


def answered(tuned: Tuned, given: Given, seed: int, part: str = "test") -> Tensor:
    """The label of each item of a part, (n,); new users are adapted first.

    Args:
        tuned: for the seen users.
        given: the task, and what the network reads.
        seed: of the adaptation's draws.
        part: "test" or "validation".
    """

    def new() -> contest.Predict:
        group = given.task.group[given.n_seen :]
        return proper.adapt(tuned, given.new, seed, group).predict

    return contest.answered(given, part, tuned.predict, new)


def stage_by_stage(given: Given, recipe: Recipe, seed: int) -> Iterator[tuple[str, Tuned]]:
    """The network after each stage that the recipe has; "base" is before the first."""
    group = given.task.group[: given.n_seen]
    tuned = proper.fit(given.net, given.seen, recipe.up_to(None), seed)
    yield "base", tuned
    for stage in recipe.stages:
        tuned = proper.further(tuned, given.seen, recipe.up_to(stage), seed, group)
        yield stage, tuned
