"""The table of a sweep, tidy: one row for each run, block of pairs and number of shots."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from lore_core.evaluation.bootstrap import bootstrap
from lore_core.evaluation.result import Result
from lore_core.evaluation.rows import NAMES
from lore_core.evaluation.study import SEEN, UNSEEN
from lore_core.evaluation.sweep import Run
from lore_core.tools import draws, extra
from lore_core.tools.files import whole

Row = dict[str, Any]
CONTROL = "unseen users, another user's pairs"
COLUMNS = {
    "data": "str",
    "concentration": "float64",  # NaN: the data's own people
    "method": "str",
    "rank": "Int64",  # gap: the method has none
    "seed": "int64",
    "setting": "str",  # what validation pairs chose where something was left open
    "block": "str",
    "shots": "Int64",  # gap: seen users, who gave all their pairs
    "pairs": "float64",  # how many a user gave on average
    "n_users": "int64",
    "mean": "float64",
    "low": "float64",
    "high": "float64",
    "parameters": "int64",
    "seconds": "float64",
}


def rows(run: Run, result: Result) -> list[Row]:
    """The rows of a run: accuracy on unseen prompts, with the interval of a bootstrap over users.

    Args:
        run: what was run; its result's `about` says in `seconds` how long that took.
        result: what it reached: seen users, new users at each number of shots, and new users with
            another user's pairs, at the benchmark's `shots`.
    """
    given = dict(zip(run.benchmark.counts, result.about["pairs of an unseen user"], strict=True))
    at = run.benchmark.shots
    return [
        row(run, result, SEEN, None, result.about["pairs of a seen user"], result.seen),
        *(
            row(run, result, UNSEEN, shots, given[shots], curve.mean(0))
            for shots, curve in zip(run.benchmark.counts, result.curve, strict=True)
        ),
        row(run, result, CONTROL, at, given[at], result.control),
    ]


def row(
    run: Run, result: Result, block: str, shots: int | None, pairs: float, values: Tensor
) -> Row:
    """One row, of the accuracies (N,) of the users of a block."""
    return {
        "data": run.data,
        "concentration": run.concentration,
        "method": NAMES[run.method],
        "rank": run.rank,
        "seed": run.seed,
        "setting": result.about["chosen"],
        "block": block,
        "shots": shots,
        "pairs": pairs,
        "n_users": int((~values.isnan()).sum()),
        **bootstrap(values, draws.generator(0))._asdict(),
        "parameters": result.about["parameters"],
        "seconds": result.about["seconds"],
    }


def table(lines: Iterable[Row]) -> pd.DataFrame:
    """All rows, with the type of every column; also of none."""
    return pd.DataFrame(list(lines), columns=list(COLUMNS)).astype(COLUMNS)


def write(made: pd.DataFrame, path: Path | str) -> None:
    """Write a Parquet file, whole or not at all.

    Raises:
        ImportError: pyarrow is not installed.
    """
    extra.needed("pyarrow", "a table in Parquet", "batch")
    with whole(path) as unfinished:
        made.to_parquet(unfinished, index=False)
