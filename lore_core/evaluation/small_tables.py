"""Tables that stand in figures/ by themselves: written whole, and read only if they are whole."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lore_core.tools.files import whole

BACK = "`git checkout figures/` brings it back"


def write(table: pd.DataFrame, path: Path | str) -> None:
    """Write a table as CSV, numbers to four decimals."""
    with whole(path) as unfinished:
        table.round(4).replace(-0.0, 0.0).to_csv(unfinished, index=False)


def read(
    path: Path | str, keys: Sequence[str], numbers: Sequence[str], every: bool = True
) -> pd.DataFrame:
    """A table as it was written.

    Args:
        path: the file.
        keys: columns that tell rows apart.
        numbers: further columns that have to be there.
        every: whether every combination of keys has a row.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column, a cell or a row is missing, or a row is there twice.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no {path}; {BACK}")
    table = pd.read_csv(path)
    missing = {*keys, *numbers} - set(table)
    rows = len(table) if missing or not every else math.prod(table[[*keys]].nunique().tolist())
    twice = not missing and table.duplicated([*keys]).any()
    if missing or rows != len(table) or twice or len(table) == 0 or table.isna().any(axis=None):
        raise ValueError(
            f"{path} is not whole (missing columns {sorted(missing)}, {len(table)} rows of "
            f"{rows}); {BACK}"
        )
    return table
