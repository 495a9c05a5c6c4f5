"""The figures of lesson 8: cells drawn as they are defined, every user and policy in its place."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.path import Path

from lore_core.evaluation.bootstrap import Interval
from lore_core.palm.coverage import excess, lattice, random_points
from lore_core.palm.grids import paper_grid
from lore_core.plotting import portfolios, style, triangle
from lore_core.tools import draws, palette

PAPER = 2 / 5, 1 / 80
CORNERS = ["brevity", "lists", "judge"]
SURE = Interval(0.5, 0.4, 0.6)


@pytest.fixture(autouse=True)
def drawn():
    style.use()
    yield
    plt.close("all")


def test_a_cell_holds_whom_its_weight_covers_and_nobody_else():
    users = random_points(3000, 3, draws.generator(0))
    for weight in paper_grid(3, *PAPER)[::4]:
        corners = portfolios.cell(weight, *PAPER)
        inside = Path(triangle.places(corners)).contains_points(triangle.places(users))
        off = excess(weight[None], users, *PAPER)
        sure = off.abs() > 1e-6  # not on the border
        assert torch.equal(torch.from_numpy(inside)[sure], (off <= 0)[sure])
        torch.testing.assert_close(corners.sum(1), torch.ones(len(corners), dtype=torch.float64))


def test_a_cut_that_leaves_nothing_leaves_no_corners():
    assert len(portfolios.cut(torch.eye(3), torch.full((3,), -1.0))) == 0


def test_cells_have_a_panel_for_each_grid_with_its_weights():
    fig = portfolios.cells({"a": lattice(3, 4), "b": lattice(3, 20)}, PAPER, CORNERS)
    counts = [len(ax.collections[-1].get_offsets()) for ax in fig.axes]
    assert counts == [15, 231]


def test_curves_end_in_the_names_of_their_methods():
    curves = {name: {n: SURE for n in (1, 2)} for name in portfolios.COLOURS}
    fig = portfolios.by_size({"worst gap": curves, "mean": curves})
    for ax in fig.axes:
        assert {text.get_text() for text in ax.texts} == set(portfolios.COLOURS)


def test_bars_and_users_have_the_colours_of_their_policies():
    users, assigned = lattice(3, 2), torch.tensor([0, 0, 1, 1, 1, 1])
    shares = torch.tensor([2 / 6, 4 / 6])
    fig = portfolios.usage({"PALM": (torch.eye(3)[:2], assigned, shares)} | {
        "uniform": (torch.eye(3)[:2], assigned, shares)
    }, users, CORNERS)  # fmt: skip
    bars = fig.axes[1].patches
    assert [bar.get_width() for bar in bars] == pytest.approx(shares.tolist())
    points = fig.axes[0].collections[0].get_facecolors()
    assert (points[0][:3] == bars[0].get_facecolor()[:3]).all()
    assert (points[2][:3] == bars[1].get_facecolor()[:3]).all()


def test_the_ladder_has_a_row_for_each_rung_from_the_top():
    fig = portfolios.ladder(
        {"best": SURE, "base": SURE}, dict.fromkeys(("best", "base"), palette.GREY)
    )
    assert [tick.get_text() for tick in fig.axes[0].get_yticklabels()] == ["best", "base"]


def test_gaps_are_drawn_in_their_order():
    fig = portfolios.bound(torch.tensor([0.3, 0.1, 0.2]), torch.ones(3))
    assert fig.axes[0].lines[0].get_ydata().tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_levels_have_a_line_for_each_kind():
    at = torch.tensor([0.2, 0.7])
    fig = portfolios.levels(
        {"one": (at, torch.stack([at, at + 0.1], 1))} | {"two": (at, at[:, None].expand(2, 2))}
    )
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["one", "two"]
