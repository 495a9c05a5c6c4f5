"""Tables that stand by themselves: whole, or refused with what is missing."""

import pandas as pd
import pytest

from lore_core.evaluation import small_tables

KEYS, NUMBERS = ["user", "way"], ["mean"]
TABLE = pd.DataFrame(
    {"user": ["a", "a", "b", "b"], "way": ["x", "y"] * 2, "mean": [0.12345, -0.00001, 0.3, 0.4]}
)


@pytest.fixture
def path(tmp_path):
    small_tables.write(TABLE, tmp_path / "table.csv")
    return tmp_path / "table.csv"


def test_a_table_is_read_as_it_was_written_to_four_decimals(path):
    found = small_tables.read(path, KEYS, NUMBERS)
    assert found["mean"].tolist() == [0.1234, 0.0, 0.3, 0.4]
    assert "-0.0" not in path.read_text(), "a zero has no sign"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.iloc[1:],
        lambda table: table.drop(columns="mean"),
        lambda table: pd.concat([table.iloc[:-1], table.iloc[:1]]),
        lambda table: table.assign(mean=float("nan")),
        lambda table: table.iloc[:0],
    ],
    ids=["a row", "a column", "a row twice", "a cell", "everything"],
)
def test_a_table_that_is_not_whole_is_refused(path, spoil):
    spoil(TABLE).to_csv(path, index=False)
    with pytest.raises(ValueError, match="is not whole.*git checkout"):
        small_tables.read(path, KEYS, NUMBERS)


def test_where_combinations_may_be_missing_a_row_may_be_too(path):
    TABLE.iloc[1:].to_csv(path, index=False)
    assert len(small_tables.read(path, KEYS, NUMBERS, every=False)) == 3


def test_a_missing_table_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="git checkout"):
        small_tables.read(tmp_path / "none.csv", KEYS, NUMBERS)
