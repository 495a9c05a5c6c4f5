"""The rows of the tables of a benchmark, made from what its methods reached on one crowd.

A number is a mean over seeds of means over users, and its interval is that of `bootstrap`. Results
of a crowd are {method: one Result per seed}, the methods by their names in `methods.registry` and
`ceilings`, the seeds in one order for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval, Lead, bootstrap, lead, share
from lore_core.evaluation.ceilings import CEILINGS
from lore_core.evaluation.result import Result
from lore_core.methods.registry import REGISTRY
from lore_core.tools import draws

Results = dict[str, list[Result]]
Row = dict[str, Any]
NAMES = {method: entry.name for method, entry in (REGISTRY | CEILINGS).items()}


def table_1(results: Results, at: int) -> list[Row]:
    """Accuracy on unseen prompts, and LoRe's lead: per method a row for seen and for unseen users.

    Args:
        results: with "lore" among the methods.
        at: which shot count of the curve is read.
    """
    seen = {method: [one.seen for one in seeds] for method, seeds in results.items()}
    new = {method: unseen(seeds, at) for method, seeds in results.items()}
    return [
        line
        for method in results
        for line in (
            accuracy(results, method, "seen", seen, at),
            accuracy(results, method, "unseen", new, at),
        )
    ]


def first_pair(results: Results, counts: Sequence[int]) -> list[Row]:
    """The same for unseen users who gave the fewest pairs, but some, as in "unseen, 1 pair"."""
    fewest = min(filter(None, counts), default=0)
    at = list(counts).index(fewest)
    users = f"unseen, {fewest} pair{'s' if fewest != 1 else ''}"
    new = {method: unseen(seeds, at) for method, seeds in results.items()}
    return [accuracy(results, method, users, new, at) for method in results]


def accuracy(
    results: Results, method: str, users: str, values: dict[str, list[Tensor]], at: int
) -> Row:
    """One row: a method's accuracy, and LoRe's lead over it.

    Args:
        results: of all methods.
        method: whose row it is.
        users: who was tested.
        values: method -> their accuracies, one vector per seed.
        at: which shot count of the curve they gave.
    """
    mine = values[method]
    return (
        {"method": NAMES[method], "users": users}
        | {"pairs": pairs(results[method], users, at), "n_users": known(mine)}
        | named("", bootstrap(mine, draw()))
        | named("lore_ahead_", lead(values["lore"], mine, draw()))
        | settings(results[method])
        | {"seeds": len(mine), "sd_over_seeds": spread([one.nanmean() for one in mine])}
    )


def few_shot(results: Results, counts: Sequence[int]) -> list[Row]:
    """Accuracy of unseen users: one row per method and number of shots.

    Args:
        results: of any methods.
        counts: shot counts of their curves; `pairs` says how many users gave on average, who do not
            all have so many.
    """
    return [
        {"method": NAMES[method], "shots": shots, "pairs": pairs(seeds, "unseen", at)}
        | named("", bootstrap(unseen(seeds, at), draw()))
        | {"sd_over_repeats": fmean(spread([*one.curve[at].nanmean(1)]) for one in seeds)}
        | {"seeds": len(seeds)}
        for method, seeds in results.items()
        for at, shots in enumerate(counts)
    ]


def best_of_n(results: Results, shots: int) -> list[Row]:
    """True utility of the best of n, and the control, another user's shots: one row per method.

    The share is of what a perfect observer gains over Bradley–Terry.

    Args:
        results: with "bradley_terry" and "perfect" among the methods.
        shots: after how many shots responses were chosen.
    """
    common, best = utilities(results["bradley_terry"]), utilities(results["perfect"])
    return [
        {"method": NAMES[method], "shots": shots}
        | named("utility_", bootstrap(utilities(seeds), draw()))
        | named("share_", share(minus(utilities(seeds), common), minus(best, common), draw()))
        | named("another_users_", bootstrap([one.control for one in seeds], draw()))
        | {"seeds": len(seeds)}
        for method, seeds in results.items()
        if method != "perfect"
    ]


def controls(results: Results, at: int) -> list[Row]:
    """Accuracy of unseen users with their own shots, and with another user's: a row per method.

    Args:
        results: of methods that learn.
        at: which shot count of the curve is read.
    """
    return [
        {"method": NAMES[method]}
        | named("", bootstrap(unseen(seeds, at), draw()))
        | named("another_users_", bootstrap([one.control for one in seeds], draw()))
        | {"seeds": len(seeds)}
        for method, seeds in results.items()
    ]


def unseen(seeds: Sequence[Result], at: int) -> list[Tensor]:
    """Accuracy of the unseen users of every seed at one shot count, mean over repeats."""
    return [one.curve[at].mean(0) for one in seeds]


def utilities(seeds: Sequence[Result]) -> list[Tensor]:
    """What the unseen users of every seed get."""
    return [one.utility for one in seeds]


def minus(one: Sequence[Tensor], other: Sequence[Tensor]) -> list[Tensor]:
    """The difference of the same users, seed by seed."""
    return [a - b for a, b in zip(one, other, strict=True)]


def known(seeds: Sequence[Tensor]) -> int:
    """How many users have a number, of all seeds together."""
    return sum(int((~values.isnan()).sum()) for values in seeds)


def spread(means: Sequence[Tensor]) -> float:
    """Their standard deviation; of a single one nothing is known, and it is 0."""
    return float(torch.stack([*means]).std()) if len(means) > 1 else 0.0


def pairs(seeds: Sequence[Result], users: str, at: int) -> int | float:
    """How many pairs a user gave on average; whole where everybody gave equally many."""
    of = "pairs of a seen user" if users == "seen" else "pairs of an unseen user"
    given = [one.about[of] for one in seeds]
    mean = fmean(given if users == "seen" else [counts[at] for counts in given])
    return int(mean) if mean == int(mean) else round(mean, 1)


def settings(seeds: Sequence[Result]) -> Row:
    """How many numbers were trained, on average, and what was chosen, for all seeds at once."""
    parameters = round(fmean(one.about["parameters"] for one in seeds))
    return {"parameters": parameters, "chosen": seeds[0].about["chosen"]}


def draw() -> torch.Generator:
    """The same resamples for every number: no method's depend on which others were run."""
    return draws.generator(0)


def named(prefix: str, numbers: Interval | Lead) -> dict[str, float]:
    """The fields of an interval as columns."""
    return {f"{prefix}{field}": value for field, value in numbers._asdict().items()}
