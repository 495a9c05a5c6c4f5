"""Figures: drawn on the axes they are given, saved whole, and the same bytes each time."""

import json

import matplotlib.pyplot as plt
import pytest
import torch

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import plots, style

SURE = Interval(0.5, 0.4, 0.6)
THREE = torch.eye(3, dtype=torch.float64)
DRAWINGS = {
    "simplex": lambda ax: plots.simplex(ax, THREE, ["a", "b", "c"], {"A": 0, "B": 1}),
    "rankings": lambda ax: plots.rankings(ax, {"A": THREE[0], "B": THREE[1]}, ["x", "y", "z"]),
    "table": lambda ax: plots.table(ax, THREE, ["x", "y", "z"], ["1", "2", "3"]),
    "curve": lambda ax: plots.curve(ax, {1: SURE, 2: SURE}, "a", style.BLUE),
    "dots": lambda ax: plots.dots(ax, {"x": {"a": SURE}}, {"a": style.BLUE}),
    "histogram": lambda ax: plots.histogram(ax, {"a": torch.tensor([0.1, 0.9])}),
}


@pytest.fixture
def ax():
    style.use()
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setenv("LORE_OUT", str(tmp_path))
    return tmp_path / "figures"


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_a_figure_is_drawn_on_the_axes_it_is_given(ax, draw):
    assert draw(ax) is ax and ax.has_data()


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_the_same_figure_is_saved_as_the_same_bytes(out, draw):
    for name in ("00_one", "00_two"):
        style.use()
        figure, ax = plt.subplots()
        draw(ax)
        style.save(figure, name, {"a": 1})
        plt.close(figure)
    assert (out / "00_one.svg").read_bytes() == (out / "00_two.svg").read_bytes()


def test_a_corner_of_the_simplex_is_a_corner_of_the_triangle(ax):
    points = plots.simplex(ax, THREE, ["a", "b", "c"]).collections[0].get_offsets()
    assert points.flatten().tolist() == pytest.approx(plots.CORNERS.flatten().tolist())


def test_the_best_response_stands_on_top(ax):
    plots.rankings(ax, {"A": THREE[0], "B": THREE[2]}, ["x", "y", "z"])
    top = min(ax.lines, key=lambda line: line.get_ydata()[0])
    assert top is ax.lines[0] and ax.yaxis_inverted()


def test_intervals_are_where_they_should_be(ax):
    plots.curve(ax, {1: SURE, 2: SURE}, "a", style.BLUE)
    low, high = ax.collections[0].get_paths()[0].vertices[:, 1].min(), 0.6
    assert (low, high) == pytest.approx((SURE.low, SURE.high))
    assert ax.lines[0].get_ydata() == pytest.approx([SURE.mean] * 2)


def test_numbers_are_saved_plainly_to_four_decimals(ax, out):
    numbers = {0.1: SURE, "t": torch.tensor([1.23456, -0.00001]), "n": 3, "s": "x–y", "b": True}
    style.save(ax.figure, "00_none", numbers)
    saved = json.loads((out / "00_none.json").read_text(encoding="utf-8"))
    assert saved["0.1"] == {"mean": 0.5, "low": 0.4, "high": 0.6}
    assert saved["t"] == [1.2346, 0.0] and str(saved["t"][1]) == "0.0"
    assert (saved["n"], saved["s"], saved["b"]) == (3, "x–y", True)


def test_a_figure_that_cannot_be_written_leaves_the_old_one(ax, out, monkeypatch):
    style.save(ax.figure, "00_none", {"a": 1})
    before = [(out / f"00_none.{suffix}").read_bytes() for suffix in ("svg", "json")]

    def half(path, **_):
        path.write_text("<svg")
        raise OSError("disk full")

    monkeypatch.setattr(ax.figure, "savefig", half)
    with pytest.raises(OSError, match="disk full"):
        style.save(ax.figure, "00_none", {"a": 2})
    assert [(out / f"00_none.{suffix}").read_bytes() for suffix in ("svg", "json")] == before
