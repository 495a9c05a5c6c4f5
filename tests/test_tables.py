"""A table that was cut, doubled or altered is noticed where it is read."""

import shutil

import pandas as pd
import pytest

from lore_core.evaluation import tables
from lore_core.tools.paths import FIGURES


@pytest.fixture
def copies(tmp_path):
    for path in [*FIGURES.glob("*.csv"), FIGURES / tables.SUMS]:
        shutil.copy(path, tmp_path)
    return tmp_path


each_table = pytest.mark.parametrize("name", ["table_1", "few_shot", "best_of_n"])


@each_table
def test_a_committed_table_is_read_as_it_was_written(name):
    pd.testing.assert_frame_equal(tables.read(name), pd.read_csv(FIGURES / f"{name}.csv"))


@each_table
@pytest.mark.parametrize(
    "harm",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text[: text.rstrip().rindex("\n") + 1],
        lambda text: text + text.split("\n", 1)[1],
        lambda text: text.replace("0.8", "0.9", 1),
        lambda text: text.replace("LoRe", "PAL", 1),
        lambda text: "",
    ],
    ids=["cut", "a row short", "doubled", "altered", "renamed", "empty"],
)
def test_a_damaged_table_is_refused_and_the_remedy_said(name, harm, copies):
    path = copies / f"{name}.csv"
    path.write_text(harm(path.read_text()))
    with pytest.raises(ValueError, match=f"{name}.csv is damaged.*git checkout figures/.*make fig"):
        tables.read(name, copies)


def test_missing_tables_and_checksums_are_said(copies):
    (copies / "few_shot.csv").unlink()
    with pytest.raises(FileNotFoundError, match="few_shot.csv is missing; run `git checkout"):
        tables.read("few_shot", copies)
    (copies / tables.SUMS).unlink()
    with pytest.raises(FileNotFoundError, match="no checksum file"):
        tables.read("table_1", copies)


def test_an_unknown_table_is_refused():
    with pytest.raises(ValueError, match="table 'other' is unknown, expected one of table_1, few"):
        tables.write({"other": pd.DataFrame()})


@each_table
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda table, number: table.drop(columns=["method"]), r"lacks the columns \['method'\]"),
        (lambda table, number: pd.concat([table, table.iloc[:1]]), "rows for concentration 0.1"),
        (lambda table, number: table.assign(**{number: "nine"}), "gaps or text among its numbers"),
        (lambda table, number: table.assign(**{number: None}), "gaps or text among its numbers"),
    ],
    ids=["column", "doubled", "text", "gap"],
)
def test_what_is_not_a_whole_table_is_not_written(name, harm, message, copies):
    before = (copies / f"{name}.csv").read_bytes()
    with pytest.raises(ValueError, match=f"{name} .*{message}.*git checkout figures/"):
        tables.write({name: harm(tables.read(name), tables.NUMBERS[name][0])}, copies)
    assert (copies / f"{name}.csv").read_bytes() == before


@pytest.mark.parametrize("name", ["table_1", "few_shot"])
def test_a_table_with_a_row_too_few_is_not_written(name, copies):
    with pytest.raises(ValueError, match=f"{name} has .* rows for concentration 0.1, .* expected"):
        tables.write({name: tables.read(name).iloc[1:]}, copies)
