"""Figures: drawn on the axes they are given, saved whole, and the same bytes each time."""

import io
import json
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from lore_core.evaluation.bootstrap import Interval
from lore_core.methods.registry import colour_of
from lore_core.plotting import (
    drawings,
    embeddings,
    generalisation,
    label,
    plots,
    shots,
    style,
    training,
    triangle,
)
from lore_core.tools import palette
from lore_core.tools.palette import BLUE, GREY, ORANGE

SURE = Interval(0.5, 0.4, 0.6)
LOPSIDED = Interval(0.59, 0.3, 0.6)
THREE = torch.eye(3, dtype=torch.float64)
COLOURS = {"a": BLUE, "b": ORANGE}
TWO = {"a": {1: SURE, 2: LOPSIDED}, "b": {1: LOPSIDED, 2: SURE}}
DRAWINGS = {
    "simplex": lambda ax: drawings.simplex(ax, THREE, ["a", "b", "c"], GREY, {"A": 0, "B": 1}),
    "rankings": lambda ax: drawings.rankings(ax, {"A": THREE[0], "B": THREE[1]}, list("xyz")),
    "heat map": lambda ax: plots.heat_map(ax, THREE, ["x", "y", "z"], ["1", "2", "3"]),
    "curves": lambda ax: plots.curves(ax, TWO, COLOURS, dashed=["b"]),
    "points": lambda ax: plots.points(ax, {"x": {"a": SURE, "b": LOPSIDED}}, COLOURS, 0.4),
    "histogram": lambda ax: plots.histogram(ax, {"a": torch.tensor([0.1, 0.9])}, COLOURS),
}
SAID = "Two curves that rise."
TRAITS = {
    "brevity": {"sentences": 0.6, "states": 0.9},
    "reasons": {"sentences": -0.1, "states": 0.1},
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
        style.save(figure, name, {"a": 1}, alt=SAID)
        plt.close(figure)
    assert (out / "00_one.svg").read_bytes() == (out / "00_two.svg").read_bytes()


def test_a_corner_of_the_simplex_is_a_corner_of_the_triangle(ax):
    points = drawings.simplex(ax, THREE, ["a", "b", "c"]).collections[0].get_offsets()
    assert points.flatten().tolist() == pytest.approx(triangle.CORNERS.flatten().tolist())


def test_the_best_response_stands_on_top(ax):
    drawings.rankings(ax, {"A": THREE[0], "B": THREE[2]}, ["x", "y", "z"])
    top = min(ax.lines, key=lambda line: line.get_ydata()[0])
    assert top is ax.lines[0] and ax.yaxis_inverted()


def test_a_curve_shows_the_means_and_bounds_it_is_given(ax):
    plots.curves(ax, TWO, COLOURS)
    for line, band, given in zip(ax.lines, ax.collections, TWO.values(), strict=True):
        assert line.get_ydata() == pytest.approx([point.mean for point in given.values()])
        edges = band.get_paths()[0].vertices
        for x, point in given.items():
            heights = edges[edges[:, 0] == x, 1]
            assert (heights.min(), heights.max()) == pytest.approx((point.low, point.high))


def test_a_row_shows_the_means_and_bounds_it_is_given(ax):
    plots.points(ax, {"x": {"a": SURE, "b": LOPSIDED}}, COLOURS)
    drawn = [line.get_xdata() for line in ax.lines if len(line.get_xdata())]
    spans = [sorted(x) for x in drawn if len(x) > 1]
    marks = [x[0] for x in drawn if len(x) == 1]
    assert np.array(spans) == pytest.approx(np.array([SURE[1:], LOPSIDED[1:]]))
    assert marks == pytest.approx([SURE.mean, LOPSIDED.mean])


def test_the_second_curve_of_an_idea_is_dashed(ax):
    plots.curves(ax, TWO, COLOURS, dashed=["b"])
    assert [line.is_dashed() for line in ax.lines] == [False, True]


@pytest.fixture
def told():
    """The two panels of the figure on what an embedding tells."""
    style.use()
    layers = {"mean": TWO["a"], "last": TWO["b"], "end": TWO["a"]}
    figure = embeddings.decodability(layers, LOPSIDED, 2, TRAITS)
    yield figure.axes
    plt.close(figure)


def test_every_line_of_what_layers_tell_is_named(told):
    legend = told[0].get_legend()
    words = [text.get_text() for text in legend.get_texts()]
    named = {
        word: line.get_linestyle() for word, line in zip(words, legend.get_lines(), strict=True)
    }
    assert named == {"mean": "-", "last": ":", "end": "--"}
    assert {text.get_text() for text in told[0].texts} == {"sentences", "layer 2"}


def test_the_chosen_layer_and_the_sentence_encoder_stand_where_they_are_said_to(told):
    faint = [line for line in told[0].lines if line.get_color() == embeddings.FAINT]
    upright, across = faint
    assert set(upright.get_xdata()) == {2} and set(across.get_ydata()) == {LOPSIDED.mean}


def test_what_an_encoder_tells_of_a_trait_stands_in_the_trait_s_row(told):
    lines, names = told[1].get_legend_handles_labels()
    marks = dict(zip(names, [list(line.get_xdata()) for line in lines], strict=True))
    assert marks == {"sentences": [0.6, -0.1], "states": [0.9, 0.1]}
    assert [tick.get_text() for tick in told[1].get_yticklabels()] == list(TRAITS)
    assert told[1].yaxis_inverted() and told[1].get_xlim()[0] < -0.1


def test_what_an_embedding_tells_has_no_method_s_colour(told):
    drawn = [mpl.colors.to_rgb(line.get_color()) for ax in told for line in ax.lines]
    assert len(drawn) > 5 and all(red == green == blue for red, green, blue in drawn)


METHODS = ["LoRe", "free weights", "Bradley–Terry", "known tastes", "another user's weights"]
ACCURACIES = {name: Interval(0.9 - at / 10, 0.85, 0.95) for at, name in enumerate(METHODS)}
RANKS = {"LoRe": {1: SURE, 12: LOPSIDED}, "free weights": {1: LOPSIDED, 12: SURE}}
WHO = ["seen users", "new users"]
LEADS = {row: {who: Interval(lead, lead - 0.1, lead + 0.1) for who in WHO}
         for row, lead in (("calm", 0.3), ("random, noisy", -0.2))}  # fmt: skip


@pytest.fixture
def drawn():
    """A function that gives the axes of a figure, and closes it afterwards."""
    style.use()
    figures = []

    def axes(figure):
        figures.append(figure)
        return figure.axes

    yield axes
    for figure in figures:
        plt.close(figure)


def look(line):
    return mpl.colors.to_hex(line.get_color()), line.get_marker()


def marks(ax):
    """Name in the legend -> how its marks look, and where they stand, from the first row on."""
    lines, names = ax.get_legend_handles_labels()
    at = {look(line): list(line.get_xdata()) for line in ax.lines if len(line.get_xdata())}
    return {name: (look(line), at.get(look(line))) for line, name in zip(lines, names, strict=True)}


def test_methods_of_one_colour_have_marks_of_their_own(drawn):
    [ax] = drawn(generalisation.blocks({"a, b": ACCURACIES}))
    looks = {name: how for name, (how, _) in marks(ax).items()}
    assert list(looks) == METHODS and len(set(looks.values())) == len(METHODS)
    colours = {name: colour for name, (colour, _) in looks.items()}
    assert colours == {name: mpl.colors.to_hex(colour_of(name)) for name in METHODS}


def test_encoders_stand_one_above_the_other_and_users_side_by_side(drawn):
    worse = {name: Interval(one.mean - 0.05, 0.8, 0.9) for name, one in ACCURACIES.items()}
    axes = drawn(generalisation.encoders({who: {"x": worse, "y": ACCURACIES} for who in WHO}))
    assert [ax.get_title(loc="left").lower() for ax in axes] == WHO
    assert [tick.get_text() for tick in axes[0].get_yticklabels()] == ["x", "y"]
    assert axes[0].yaxis_inverted()
    for ax in axes:
        stand = marks(ax)["LoRe"][1]
        assert stand == pytest.approx([worse["LoRe"].mean, ACCURACIES["LoRe"].mean])


def test_a_lead_stands_in_the_row_of_its_accuracies_beside_a_line_at_none(drawn):
    levels = {who: dict.fromkeys(LEADS, ACCURACIES) for who in WHO}
    *left, right = drawn(generalisation.noise(levels, LEADS))
    assert [ax.get_title(loc="left").lower() for ax in left] == WHO
    assert [t.get_text() for t in left[0].get_yticklabels()] == ["calm", "random,\nnoisy"]
    drawn_leads = marks(right)
    assert list(drawn_leads) == WHO
    assert all(at == pytest.approx([0.3, -0.2]) for _, at in drawn_leads.values())
    dotted = [line for line in right.lines if line.get_linestyle() == ":"]
    assert [set(line.get_xdata()) for line in dotted] == [{0}]
    below = [[text.get_text() for text in of.get_texts()] for of in right.figure.legends]
    assert below == [METHODS, WHO] and right.get_legend() is None


@pytest.mark.parametrize("draw", [generalisation.ranks, generalisation.simplex])
def test_the_two_lines_of_a_panel_are_named_and_the_second_is_dashed(draw, drawn):
    axes = drawn(draw({"one": RANKS, "other": RANKS}))
    assert [ax.get_title(loc="left") for ax in axes] == ["One", "Other"]
    for ax in axes:
        assert [text.get_text() for text in ax.get_legend().get_texts()] == list(RANKS)
        assert [line.is_dashed() for line in ax.lines] == [False, True]
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "12"]


@pytest.mark.parametrize("draw", [generalisation.ranks, generalisation.simplex])
def test_every_interval_of_a_panel_stands_by_its_own_mark_and_apart_from_the_other_s(draw, drawn):
    [ax] = drawn(draw({"one": RANKS}))
    bars = [bar for of in ax.collections for bar in of.get_segments()]
    marked = [at for line in ax.lines for at in line.get_xdata()]
    assert [bar[0, 0] for bar in bars] == pytest.approx(marked) and len(set(marked)) == 4
    heights = [tuple(bar[:, 1]) for bar in bars]
    assert heights == [(at.low, at.high) for curve in RANKS.values() for at in curve.values()]


def test_two_recipes_that_learn_all_training_pairs_are_both_seen(drawn):
    perfect, lower = Interval(1, 1, 1), Interval(0.86, 0.83, 0.89)
    parts = {"training pairs": perfect, "unseen prompts": lower}
    curves = {f"{recipe} recipe, {part}": {5: height, 15: height}
              for recipe in ("default", "paper's") for part, height in parts.items()}  # fmt: skip
    [ax] = drawn(training.overfitting(curves))
    one, other = [line for line in ax.lines if line.is_dashed()]
    assert one.get_color() != other.get_color()
    picture = io.StringIO()
    ax.figure.savefig(picture, format="svg")
    starts = re.findall(r"stroke-dashoffset: ([\d.]+)", picture.getvalue())
    assert len({*starts}) == 2, "the dashes of one lie in the gaps of the other"
    low, high = ax.get_ylim()
    assert 0.7 < low <= 0.83 and 1 <= high < 1.05
    assert {text.get_text() for text in ax.texts} == {*curves}


def test_everybody_is_counted_once_in_a_histogram(ax):
    """Also who stands on the edge between two bins: it is a number that a float holds exactly."""
    plots.histogram(ax, {"a": torch.arange(41) / 40}, COLOURS)
    edges, counts = ax.lines[0].get_data()
    assert counts[:-1].sum() == 41 and set(counts[:-1]) <= {2, 3, 4}
    assert ((edges * plots.BINS) % 1 == 0).all()


@pytest.mark.parametrize("heights", [[0.1, 0.11, 0.12, 0.9], [0.5] * 5, [0.1, 0.5, 0.9]])
def test_names_at_the_ends_of_lines_do_not_overlap(heights):
    moved = label.spread(np.array(heights), 0.05)
    assert (np.diff(moved) >= 0.05 - 1e-9).all()
    apart = np.diff(heights, prepend=-1, append=2) >= 0.2
    stay = apart[:-1] & apart[1:]
    assert moved[stay] == pytest.approx(np.array(heights)[stay])


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("LoRe", palette.BLUE),
        ("LoRe, K = 5", palette.BLUE),
        ("LoRe, paper's recipe", palette.BLACK),
        ("PAL-A, matched", palette.GREEN),
        ("PAL-B", palette.PINK),
        ("VPL, published with its defects", palette.RED),
        ("one model per user, from Bradley–Terry", palette.SKY),
        ("Bradley–Terry", palette.ORANGE),
        ("reference", palette.GREY),
        ("known tastes", palette.GREY),
    ],
)
def test_a_method_has_the_colour_of_its_family(name, colour):
    assert colour_of(name) == colour


@pytest.mark.parametrize("name", ["BLUE", "ORANGE", "GREEN", "PINK", "SKY", "RED", "GREY", "BLACK"])
def test_a_name_can_be_read_in_every_colour(name):
    """Contrast with white of at least 4 to 1, after WCAG's relative luminance."""
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in mpl.colors.to_rgb(label.ink(getattr(palette, name)))
    )
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4


def test_nothing_is_cut_off(ax, out):
    """A label longer than its axis widens the picture."""
    style.save(ax.figure, "00_short", {}, alt=SAID)
    ax.set_xlabel("a label " * 30)
    style.save(ax.figure, "00_long", {}, alt=SAID)
    short, long = (re.search(r'width="([\d.]+)pt"', (out / f"{name}.svg").read_text())[1]
                   for name in ("00_short", "00_long"))  # fmt: skip
    assert float(long) > 1.5 * float(short)


def test_the_picture_holds_the_words_that_stand_for_it(ax, out):
    style.save(ax.figure, "00_none", {}, alt="Few < many.")
    assert "<title>Few &lt; many.</title>" in (out / "00_none.svg").read_text()


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_a_picture_without_words_is_refused(ax, out, alt):
    for draw in (lambda: style.save(ax.figure, "00_none", {}, alt=alt),
                 lambda: style.show(ax.figure, alt)):  # fmt: skip
        with pytest.raises(ValueError, match="expected a sentence that says what the figure shows"):
            draw()
    assert not out.exists()


def test_showing_a_figure_outside_a_notebook_does_nothing(ax, capsys):
    style.show(ax.figure, SAID)
    assert plt.fignum_exists(ax.figure.number) and capsys.readouterr().out == ""


def test_numbers_are_saved_plainly_to_four_decimals(ax, out):
    numbers = {0.1: SURE, "t": torch.tensor([1.23456, -0.00001]), "n": 3, "s": "x–y", "b": True}
    style.save(ax.figure, "00_none", numbers, alt=SAID)
    saved = json.loads((out / "00_none.json").read_text(encoding="utf-8"))
    assert saved["0.1"] == {"mean": 0.5, "low": 0.4, "high": 0.6}
    assert saved["t"] == [1.2346, 0.0] and str(saved["t"][1]) == "0.0"
    assert (saved["n"], saved["s"], saved["b"]) == (3, "x–y", True)


def test_a_figure_that_cannot_be_written_leaves_the_old_one(ax, out, monkeypatch):
    style.save(ax.figure, "00_none", {"a": 1}, alt=SAID)
    before = [(out / f"00_none.{suffix}").read_bytes() for suffix in ("svg", "json")]

    def half(path, **_):
        path.write_text("<svg")
        raise OSError("disk full")

    monkeypatch.setattr(ax.figure, "savefig", half)
    with pytest.raises(OSError, match="disk full"):
        style.save(ax.figure, "00_none", {"a": 2}, alt=SAID)
    assert [(out / f"00_none.{suffix}").read_bytes() for suffix in ("svg", "json")] == before


CURVES = {
    "LoRe": {1: Interval(0.8, 0.79, 0.81), 50: Interval(0.9, 0.89, 0.91)},
    "free weights": {1: Interval(0.7, 0.6, 0.8), 50: Interval(0.75, 0.7, 0.8)},
    "PAL-B, published": {1: Interval(0.2, 0.1, 0.3), 50: Interval(0.3, 0.2, 0.4)},
    "known tastes": {1: Interval(0.6, 0.5, 0.7), 50: Interval(0.6, 0.5, 0.7)},
}


@pytest.fixture
def few_shot():
    """A figure whose second panel reaches much lower than its first."""
    style.use()
    panels = {"matched": ["LoRe", "free weights"], "published": ["LoRe", "PAL-B, published"]}
    figure = shots.few_shot(CURVES, panels)
    yield figure.axes
    plt.close(figure)


def looks(line):
    return mpl.colors.to_hex(line.get_color()), line.is_dashed()


def test_one_legend_names_every_curve_of_all_panels_in_its_colour(few_shot):
    [key] = few_shot[0].figure.legends
    words = [text.get_text() for text in key.get_texts()]
    named = {word: looks(line) for word, line in zip(words, key.get_lines(), strict=True)}
    assert words == ["LoRe", "free weights", "PAL-B", "known tastes"]
    assert set(named.values()) == {looks(line) for ax in few_shot for line in ax.lines}
    assert named["LoRe"] != named["free weights"]


def test_crowds_have_axes_of_their_own(drawn):
    crowds = {"differ": CURVES, "alike": CURVES}
    differ, alike = drawn(shots.crowds(crowds, ["LoRe", "free weights"], {"alike": 0.75}))
    assert differ.get_ylim()[0] < 0.7 and alike.get_ylim()[0] == 0.75
    assert differ.get_ylabel() == shots.ACCURACY


def test_panels_of_few_shot_curves_can_be_compared(few_shot):
    one, other = few_shot
    assert one.get_ylim() == other.get_ylim()
    assert one.get_ylabel() == shots.ACCURACY


def test_free_weights_can_be_told_from_lore(few_shot):
    curves = [line for line in few_shot[0].lines if len(line.get_xdata()) == len(CURVES["LoRe"])]
    look = {float(line.get_ydata()[-1]): line for line in curves if line.get_color() == BLUE}
    assert look[0.75].is_dashed() and not look[0.9].is_dashed()


def test_leads_are_read_on_one_axis_with_the_methods_named_once():
    crowds = {"alike": {"a": Interval(0.01, 0, 0.02)}, "unlike": {"a": Interval(0.5, 0.4, 0.6)}}
    one, other = (figure := shots.leads(crowds)).axes
    assert one.get_xlim() == other.get_xlim()
    said = [
        [name.get_text() for name in ax.get_yticklabels() if name.get_visible()]
        for ax in (one, other)
    ]
    assert said == [["a"], []]
    plt.close(figure)
