"""The tables of the full comparison: CSV files, their checksums, and what they have to hold.

A lesson draws what a table says, so a table that was cut, doubled or altered has to be noticed
where it is read.
"""

import math
from io import BytesIO
from pathlib import Path

import pandas as pd

from lore_core.tools import checksums
from lore_core.tools.paths import FIGURES

SUMS = "tables.sha256"
REMEDY = "run `git checkout figures/`, or `make figures` to compute it again"
CROWD = ("concentration", "condition", "data")  # one of these says which crowd a row is of
KEYS = {  # what tells the rows of one crowd apart
    "table_1": ("method", "users"),
    "few_shot": ("method", "shots"),
    "best_of_n": ("method",),
    "controls": ("method",),
    "conditions": ("method", "users"),
    "few_shot_conditions": ("method", "shots"),
}
INTERVAL = ("mean", "low", "high")
OF = ("utility", "share", "another_users")
NUMBERS = {
    "table_1": (
        *("pairs", "n_users", *INTERVAL),
        *(f"lore_ahead_{name}" for name in (*INTERVAL, "p")),
        "parameters",
    ),
    "few_shot": ("pairs", *INTERVAL, "sd_over_repeats"),
    "controls": (*INTERVAL, *(f"another_users_{name}" for name in INTERVAL)),
    "best_of_n": ("shots", *(f"{of}_{name}" for of in OF for name in INTERVAL)),
}
NUMBERS |= {"conditions": NUMBERS["table_1"], "few_shot_conditions": NUMBERS["few_shot"]}
OF_SEEDS = ("seeds", "sd_over_seeds")  # a table of one seed may do without


def read(name: str, folder: Path | str = FIGURES) -> pd.DataFrame:
    """A table of the full comparison.

    Args:
        name: "table_1", "few_shot", "best_of_n", "conditions" or "few_shot_conditions"; of real
            people "controls" in the place of the last three.
        folder: where it lies, with its checksum.

    Raises:
        FileNotFoundError: the table or its checksum is missing.
        ValueError: it is not the table that was written; the message says what to do.
    """
    path = Path(folder) / f"{name}.csv"
    digest = checksums.read_sums(path.with_name(SUMS)).get(path.name, "none")
    table = pd.read_csv(BytesIO(checksums.read(path, digest, REMEDY)))
    check(name, table)
    return table


def write(tables: dict[str, pd.DataFrame], folder: Path | str = FIGURES) -> None:
    """Write tables, numbers to four decimals, and last of all their checksums.

    Args:
        tables: by name.
        folder: where they go.

    Raises:
        ValueError: a table lacks a column or a row, or has one twice; then nothing is written.
    """
    for name, table in tables.items():
        check(name, table)
    texts = {f"{name}.csv": table.round(4).to_csv(index=False) for name, table in tables.items()}
    for name, text in texts.items():
        checksums.write(Path(folder) / name, text.encode())
    sums = [f"{checksums.sha256(text.encode())}  {name}\n" for name, text in texts.items()]
    checksums.write(Path(folder) / SUMS, "".join(sums).encode())


def check(name: str, table: pd.DataFrame) -> None:
    """Raise a ValueError unless a table has its columns, and each of its rows once.

    A table of real people has no concentration: it names their data sets, or is one crowd.
    """
    if name not in KEYS:
        raise ValueError(f"table {name!r} is unknown, expected one of {', '.join(KEYS)}")
    keys = list(KEYS[name])
    missing = {*keys, *NUMBERS[name]} - set(table)
    if missing:
        raise ValueError(f"{name} lacks the columns {sorted(missing)}; {REMEDY}")
    numbers = table[[*NUMBERS[name], *(column for column in OF_SEEDS if column in table)]]
    if len(table) == 0:
        raise ValueError(f"{name} has no rows; {REMEDY}")
    if numbers.isna().any(axis=None) or len(numbers.select_dtypes("number").T) < len(numbers.T):
        raise ValueError(f"{name} has gaps or text among its numbers; {REMEDY}")
    for crowd, rows in crowds(table).items():
        check_rows(name, crowd, rows, keys)


def crowds(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each crowd, condition or data set; a table that names none has one crowd."""
    of = next((name for name in CROWD if name in table), None)
    if of is None:
        return {"real people": table}
    return {f"{of} {one!r}": table[table[of] == one] for one in table[of].unique().tolist()}


def check_rows(name: str, crowd: str, rows: pd.DataFrame, keys: list[str]) -> None:
    """Raise a ValueError unless every combination of keys is there once."""
    expected = math.prod(rows[keys].nunique().tolist())
    once = rows.drop_duplicates(keys)
    if not len(rows) == len(once) == expected:
        raise ValueError(
            f"{name} has {len(rows)} rows for {crowd}, {len(once)} of them different, expected "
            f"{expected}; {REMEDY}"
        )
