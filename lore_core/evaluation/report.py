"""The tables of a benchmark, made from the results of its methods.

Every number has its interval, by bootstrap over seeds and users. Results of one crowd are
{method: one Result per seed}, the methods by their names in `methods.registry` and `ceilings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from lore_core.evaluation import rows
from lore_core.evaluation.rows import NAMES, Results, Row
from lore_core.evaluation.tables import KEYS

PEOPLE = "people"  # what a crowd is called that was not drawn, where it is the only one


def report(
    crowds: dict[str, Results],
    counts: Sequence[int] | Mapping[str, Sequence[int]],
    shots: int,
    conditions: dict[str, Results] | None = None,
) -> dict[str, pd.DataFrame]:
    """All tables, by name, as `tables.write` takes them.

    Args:
        crowds: the results of each crowd: of drawn ones by the concentration; of real people by the
            name of their data set, or "people" where there is one data set, whose tables do not
            name it. Nobody knows the true utility of real people, so the control stands in a table
            of its own instead of beside the best of n.
        counts: shot counts of the curves, for all crowds, or for each by its name.
        shots: the count at which unseen users are compared.
        conditions: the results of the first crowd under each condition, by the condition's name.
    """
    each = counts if isinstance(counts, Mapping) else dict.fromkeys(crowds, counts)
    made: dict[str, list[Row]] = {name: [] for name in KEYS}
    for crowd, results in crowds.items():
        for name, lines in of_a_crowd(results, each[crowd], shots, is_drawn(crowd)).items():
            made[name] += [called(crowd) | line for line in lines]
    for condition, results in (conditions or {}).items():
        first = each[next(iter(crowds))]
        lines = rows.table_1(results, list(first).index(shots)) + rows.first_pair(results, first)
        made["conditions"] += [{"condition": condition} | line for line in lines]
        curves = rows.few_shot(results, first)
        made["few_shot_conditions"] += [{"condition": condition} | line for line in curves]
    return {name: pd.DataFrame(lines) for name, lines in made.items() if lines}


def called(crowd: str) -> Row:
    """The column that says which crowd a row is of."""
    if is_drawn(crowd):
        return {"concentration": float(crowd)}
    return {} if crowd == PEOPLE else {"data": crowd}


def is_drawn(crowd: str) -> bool:
    """Whether a crowd is synthetic: then a concentration is its name."""
    try:
        float(crowd)
    except ValueError:
        return False
    return True


def of_a_crowd(
    results: Results, counts: Sequence[int], shots: int, drawn: bool
) -> dict[str, list[Row]]:
    """The rows that one crowd gives to each table; of real people the last one is another."""
    at = list(counts).index(shots)
    made = {"table_1": rows.table_1(results, at), "few_shot": rows.few_shot(results, counts)}
    if drawn:
        return made | {"best_of_n": rows.best_of_n(results, shots)}
    return made | {"controls": rows.controls(results, at)}


def check_methods(methods: Sequence[str], best_of_n: bool) -> None:
    """Raise a ValueError unless the tables can be made of the results of these methods.

    Args:
        methods: by their names in the registry and among the ceilings.
        best_of_n: whether that table is wanted; it needs the least and the most that can be gained.
    """
    unknown = [method for method in methods if method not in NAMES]
    if unknown:
        raise ValueError(f"the methods {unknown} are unknown, expected some of {', '.join(NAMES)}")
    needed = ["lore", "bradley_terry", "perfect"] if best_of_n else ["lore"]
    missing = [method for method in needed if method not in methods]
    if missing:
        raise ValueError(f"the tables compare with {missing}; add them to the methods")
