"""The tables of a benchmark, made from the results of its methods.

Every number has its interval, by bootstrap over users. Results of one crowd are {method: Result},
the methods by their names in `methods.registry` and `ceilings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval, Lead, bootstrap, lead, share
from lore_core.evaluation.ceilings import CEILINGS
from lore_core.evaluation.result import Result
from lore_core.evaluation.tables import KEYS
from lore_core.methods.registry import REGISTRY
from lore_core.tools import draws

Results = dict[str, Result]
PEOPLE = "people"  # what a crowd is called that was not drawn
NAMES = {method: entry.name for method, entry in (REGISTRY | CEILINGS).items()}


def report(
    crowds: dict[str, Results], counts: Sequence[int], shots: int
) -> dict[str, pd.DataFrame]:
    """All tables, by name, as `tables.write` takes them.

    Args:
        crowds: the results of each crowd, by its concentration, or "people" for real ones. Their
            tables have no concentration. Nobody knows their true utility, so the control stands in
            a table of its own instead of beside the best of n.
        counts: shot counts of the curves.
        shots: the count at which unseen users are compared.
    """
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in KEYS}
    for crowd, results in crowds.items():
        which = {} if crowd == PEOPLE else {"concentration": float(crowd)}
        made = {
            "table_1": table_1(results, list(counts).index(shots)),
            "few_shot": few_shot(results, counts),
            "best_of_n": [] if crowd == PEOPLE else best_of_n(results, shots),
            "controls": controls(results, list(counts).index(shots)) if crowd == PEOPLE else [],
        }
        for name, lines in made.items():
            rows[name] += [which | line for line in lines]
    return {name: pd.DataFrame(lines) for name, lines in rows.items() if lines}


def table_1(results: Results, at: int) -> list[dict[str, Any]]:
    """Accuracy on unseen prompts, and LoRe's lead: per method a row for seen and for unseen users.

    Args:
        results: with "lore" among the methods.
        at: which shot count of the curve is read.
    """
    accuracy = {m: {"seen": r.seen, "unseen": r.curve[at].mean(0)} for m, r in results.items()}
    return [
        {"method": NAMES[method], "users": users}
        | {"pairs": pairs(results[method], users, at), "n_users": int((~values.isnan()).sum())}
        | named("", bootstrap(values, draw()))
        | named("lore_ahead_", lead(accuracy["lore"][users], values, draw()))
        | {key: results[method].about[key] for key in ("parameters", "chosen")}
        for method, both in accuracy.items()
        for users, values in both.items()
    ]


def few_shot(results: Results, counts: Sequence[int]) -> list[dict[str, Any]]:
    """Accuracy of unseen users: one row per method and number of shots.

    Args:
        results: of any methods.
        counts: shot counts of their curves; `pairs` says how many users gave on average, who do not
            all have so many.
    """
    return [
        {"method": NAMES[method], "shots": shots, "pairs": pairs(result, "unseen", at)}
        | named("", bootstrap(result.curve[at].mean(0), draw()))
        | {"sd_over_repeats": spread(result.curve[at].nanmean(1))}
        for method, result in results.items()
        for at, shots in enumerate(counts)
    ]


def best_of_n(results: Results, shots: int) -> list[dict[str, Any]]:
    """True utility of the best of n, and the control, another user's shots: one row per method.

    The share is of what a perfect observer gains over Bradley–Terry.

    Args:
        results: with "bradley_terry" and "perfect" among the methods.
        shots: after how many shots responses were chosen.
    """
    common, best = results["bradley_terry"].utility, results["perfect"].utility
    return [
        {"method": NAMES[method], "shots": shots}
        | named("utility_", bootstrap(result.utility, draw()))
        | named("share_", share(result.utility - common, best - common, draw()))
        | named("another_users_", bootstrap(result.control, draw()))
        for method, result in results.items()
        if method != "perfect"
    ]


def controls(results: Results, at: int) -> list[dict[str, Any]]:
    """Accuracy of unseen users with their own shots, and with another user's: a row per method.

    Args:
        results: of methods that learn.
        at: which shot count of the curve is read.
    """
    return [
        {"method": NAMES[method]}
        | named("", bootstrap(result.curve[at].mean(0), draw()))
        | named("another_users_", bootstrap(result.control, draw()))
        for method, result in results.items()
    ]


def spread(over_repeats: Tensor) -> float:
    """The standard deviation over repeats; of one repeat nothing is known, and it is 0."""
    return float(over_repeats.std()) if len(over_repeats) > 1 else 0.0


def check_methods(methods: Sequence[str], people: bool) -> None:
    """Raise a ValueError unless the tables can be made of the results of these methods."""
    unknown = [method for method in methods if method not in NAMES]
    if unknown:
        raise ValueError(f"the methods {unknown} are unknown, expected some of {', '.join(NAMES)}")
    needed = ["lore"] if people else ["lore", "bradley_terry", "perfect"]
    missing = [method for method in needed if method not in methods]
    if missing:
        raise ValueError(f"the tables compare with {missing}; add them to the methods")


def pairs(result: Result, users: str, at: int) -> int | float:
    """How many pairs a user gave on average; whole where everybody gave equally many."""
    unseen = result.about["pairs of an unseen user"]
    mean = result.about["pairs of a seen user"] if users == "seen" else unseen[at]
    return int(mean) if mean == int(mean) else round(mean, 1)


def draw() -> torch.Generator:
    """The same resamples for every number: no method's depend on which others were run."""
    return draws.generator(0)


def named(prefix: str, numbers: Interval | Lead) -> dict[str, float]:
    """The fields of an interval as columns."""
    return {f"{prefix}{field}": value for field, value in numbers._asdict().items()}
