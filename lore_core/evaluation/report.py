"""The tables of the full comparison, made from the results of its methods.

Every number has its interval, by bootstrap over users. A crowd is {method: Result}, the methods
by their names in `methods.registry`.
"""

import pandas as pd
import torch

from lore_core.evaluation.benchmark import Result
from lore_core.evaluation.bootstrap import bootstrap, lead, share
from lore_core.methods.registry import NAMES
from lore_core.tools import draws

Crowd = dict[str, Result]


def report(
    crowds: dict[float, Crowd], counts: list[int], shots: int, n_pairs: int
) -> dict[str, pd.DataFrame]:
    """All three tables, by name, as `tables.write` takes them.

    Args:
        crowds: the results for each concentration.
        counts: shot counts of the curves.
        shots: the count at which unseen users are compared.
        n_pairs: training pairs of each seen user.
    """
    rows: dict[str, list[dict]] = {"table_1": [], "few_shot": [], "best_of_n": []}
    for concentration, crowd in crowds.items():
        made = {
            "table_1": table_1(crowd, counts.index(shots), {"seen": n_pairs, "unseen": shots}),
            "few_shot": few_shot(crowd, counts),
            "best_of_n": best_of_n(crowd, shots),
        }
        for name, lines in made.items():
            rows[name] += [{"concentration": concentration} | line for line in lines]
    return {name: pd.DataFrame(lines) for name, lines in rows.items()}


def table_1(crowd: Crowd, at: int, pairs: dict[str, int]) -> list[dict]:
    """Accuracy on unseen prompts, and LoRe's lead: per method a row for seen and for unseen users.

    Args:
        crowd: with "lore" among its methods.
        at: which shot count of the curve is read.
        pairs: how many a seen and an unseen user has.
    """
    accuracy = {m: {"seen": r.seen, "unseen": r.curve[at].mean(0)} for m, r in crowd.items()}
    return [
        {"method": NAMES[method], "users": users, "pairs": pairs[users], "n_users": len(values)}
        | named("", bootstrap(values, draw()))
        | named("lore_ahead_", lead(accuracy["lore"][users], values, draw()))
        | {key: crowd[method].about[key] for key in ("parameters", "chosen")}
        for method, both in accuracy.items()
        for users, values in both.items()
    ]


def few_shot(crowd: Crowd, counts: list[int]) -> list[dict]:
    """Accuracy of unseen users: one row per method and number of shots.

    Args:
        crowd: any methods.
        counts: shot counts of their curves.
    """
    return [
        {"method": NAMES[method], "shots": shots}
        | named("", bootstrap(values.mean(0), draw()))
        | {"sd_over_repeats": float(values.mean(1).std())}
        for method, result in crowd.items()
        for shots, values in zip(counts, result.curve, strict=True)
    ]


def best_of_n(crowd: Crowd, shots: int) -> list[dict]:
    """True utility of the best of n, and the control, another user's shots: one row per method.

    The share is of what a perfect observer gains over Bradley–Terry.

    Args:
        crowd: with "bradley_terry" and "perfect" among its methods.
        shots: after how many shots responses were chosen.
    """
    common, best = crowd["bradley_terry"].utility, crowd["perfect"].utility
    return [
        {"method": NAMES[method], "shots": shots}
        | named("utility_", bootstrap(result.utility, draw()))
        | named("share_", share(result.utility - common, best - common, draw()))
        | named("another_users_", bootstrap(result.control, draw()))
        for method, result in crowd.items()
        if method != "perfect"
    ]


def draw() -> torch.Generator:
    """The same resamples for every number: no method's depend on which others were run."""
    return draws.generator(0)


def named(prefix: str, numbers) -> dict:
    """The fields of an interval as columns."""
    return {f"{prefix}{field}": value for field, value in numbers._asdict().items()}
