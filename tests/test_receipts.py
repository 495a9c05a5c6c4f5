"""Receipts of lessons: whatever lies in build/, `make course` is not taken aback."""

import json
import os
import time

import pytest
import receipts
import table

LESSON = "00_start_here"


@pytest.fixture
def build(tmp_path, monkeypatch):
    monkeypatch.setattr(receipts, "BUILD", tmp_path)
    monkeypatch.setattr(receipts, "FIGURES", tmp_path / "figures")
    (tmp_path / "figures").mkdir()
    return tmp_path


def test_a_receipt_stands_while_its_figures_do(build):
    figure = build / "figures" / "00_idea.svg"
    figure.write_text("a picture")
    receipts.executed(LESSON).write_text("{}")
    receipts.write(LESSON, 1.23, [figure])
    assert receipts.read(LESSON)["seconds"] == 1.2
    figure.write_text("another picture")
    assert receipts.read(LESSON) is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "[1, 2]", "null", "3", '"text"', "{}", '{"seconds": 1, "figures": null}']
    + ['{"seconds": 1, "figures": [1]}', '{"seconds": null, "figures": {}}', '{"figures": {}}']
    + ['{"seconds": 1, "figures": {"gone.svg": "0"}}', '{"seconds": 1, "figures": 5}'],
)
def test_a_receipt_of_another_shape_is_no_receipt(build, content):
    receipts.receipt(LESSON).write_text(content)
    receipts.executed(LESSON).write_text("{}")
    assert receipts.read(LESSON) is None
    assert table.row(LESSON)[1] == "not run"


@pytest.mark.parametrize("copy", ["", "[]", "null", '{"cells": []}', '{"cells": [{}]}'])
def test_a_copy_that_is_no_notebook_has_not_failed(build, copy):
    receipts.executed(LESSON).write_text(copy)
    assert table.row(LESSON)[1] == "not run"


def test_a_copy_that_ends_in_an_error_has_failed(build):
    cells = {"cells": [{"outputs": [{"output_type": "error"}]}]}
    receipts.executed(LESSON).write_text(json.dumps(cells))
    assert table.row(LESSON)[1] == "failed"


def test_half_written_files_of_killed_runs_are_removed_and_those_of_running_ones_are_not(build):
    old, young = build / "old.part", build / "figures" / ".young.svg.1.part"
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (time.time() - 4000,) * 2)
    receipts.forget_killed_runs()
    assert not old.exists() and young.exists()
