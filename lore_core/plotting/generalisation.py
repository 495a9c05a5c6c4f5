"""The figures of lesson 4: four blocks of tests, ranks, the simplex, encoders and noise."""

from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lore_core.evaluation.bootstrap import Interval
from lore_core.methods.registry import colour_of
from lore_core.plotting import label, plots
from lore_core.tools.palette import BLUE, GREY

Rows = dict[str, dict[str, Interval]]
Curves = dict[str, dict[float, Interval]]
MARKERS = {  # of methods that share a colour with another one
    "another user's weights": "X",
    "reference": "D",
    "known tastes": "D",
    "free weights": "s",
}
OF_USERS = ["o", "s", "^"]  # seen users; unseen ones, with several pairs and with one
ASIDE = 1.06  # how far, on a logarithmic axis, the second curve stands from the first
SIZE = 5.5  # of marks: small enough to leave intervals of a hundredth visible


def blocks(results: Rows) -> Figure:
    """Each method on seen and unseen users and prompts.

    Args:
        results: block, such as "seen users, unseen prompts" -> method -> accuracy.
    """
    fig, ax = plt.subplots(figsize=(8, 4.4))
    marks(ax, results, 0.55)
    coin(ax)
    ax.set(xlabel="accuracy (95 % interval over users)", xlim=(0.48, 1))
    place = {"bbox_to_anchor": (0.4, 1), "ncols": 3, "handletextpad": 0.1, "columnspacing": 1}
    sns.move_legend(ax, "lower center", title=None, **place)
    return fig


def ranks(sweep: dict[str, Curves]) -> Figure:
    """Accuracy against rank for seen and unseen users (dashed), a panel a crowd.

    Args:
        sweep: crowd -> who -> rank -> accuracy on unseen prompts.
    """
    return panels_by_rank(sweep, "rank K")


def simplex(equal: dict[str, Curves]) -> Figure:
    """LoRe and free weights (dashed) at the same number of columns, a panel for each kind of users.

    Args:
        equal: who -> method -> columns -> accuracy on unseen prompts.
    """
    return panels_by_rank(equal, "columns K")


def panels_by_rank(of: dict[str, Curves], across: str) -> Figure:
    """A panel of two curves over ranks for each title, with one axis of accuracy."""
    fig, axes = plt.subplots(1, len(of), figsize=(10, 3.7), sharey=True, squeeze=False)
    for ax, (title, lines) in zip(axes[0], of.items(), strict=True):
        by_rank(ax, lines, across)
        ax.set_title(title[0].upper() + title[1:])
    axes[0, 0].set_ylabel("accuracy on unseen prompts")
    return fig


def by_rank(ax: Axes, lines: Curves, across: str) -> None:
    """Two curves of LoRe's colour over a logarithmic axis of ranks, the second one dashed.

    The second one stands a little to the right, so that its intervals can be told from the first's.
    """
    first, second = lines
    aside = {rank * ASIDE: at for rank, at in lines[second].items()}
    moved = {first: lines[first], second: aside}
    plots.curves(ax, moved, dict.fromkeys(lines, BLUE), dashed=[second], bands=False)
    for curve in moved.values():
        bars(ax, curve)
    label.log_ticks(ax, list(lines[first]))
    ax.set(xlabel=across)
    ax.yaxis.set_major_locator(plt.MultipleLocator(0.05))
    ax.legend(ax.lines, list(lines), loc="lower right", handlelength=3)


def bars(ax: Axes, curve: dict[float, Interval]) -> None:
    """The intervals of a curve, as upright bars."""
    lows, highs = ([getattr(at, end) for at in curve.values()] for end in ("low", "high"))
    ax.vlines(list(curve), lows, highs, color=BLUE, lw=3, alpha=0.4)


def encoders(read_by: dict[str, dict[str, dict[str, Interval]]]) -> Figure:
    """Every method on the embeddings of two encoders, a panel for each kind of users.

    Args:
        read_by: who -> encoder -> method -> accuracy on unseen prompts.
    """
    fig, axes = plt.subplots(
        1, len(read_by), figsize=(10, 3.4), sharex=True, sharey=True, squeeze=False
    )
    panels(axes[0], read_by, 0.6)
    for ax in axes[0]:
        ax.set(xlabel="accuracy on unseen prompts")
    key(fig, axes[0, 0], 5)
    return fig


def noise(levels: dict[str, Rows], leads: Rows) -> Figure:
    """Accuracy of methods under each way of asking, for two kinds of users, and LoRe's lead.

    Args:
        levels: who -> how they are asked -> method -> accuracy.
        leads: how they are asked -> who -> LoRe minus Bradley–Terry.
    """
    fig, axes = plt.subplots(1, len(levels) + 1, figsize=(11, 4), sharey=True)
    *left, right = axes
    panels(left, levels, 0.45)
    for ax in left:
        coin(ax)
        ax.set(xlabel="accuracy", xlim=(0.48, 1))
    differences(right, leads)
    key(fig, left[0], 3, "left")
    key(fig, right, 3, "right")
    return fig


def differences(ax: Axes, leads: Rows) -> None:
    """LoRe's lead in every row, one mark for each kind of users."""
    shades = dict.fromkeys(next(iter(leads.values())), BLUE)
    plots.points(ax, in_two_lines(leads), shades, 0.45, OF_USERS[: len(shades)])
    ax.axvline(0, color=GREY, ls=":", lw=1.5)
    ax.set(title="LoRe minus Bradley–Terry", xlabel="difference, user by user")
    plt.setp(ax.lines, markersize=SIZE)
    without_legend(ax)


def panels(axes: list[Axes], of: dict[str, Rows], apart: float) -> None:
    """A panel of rows for each kind of users; the legends are taken away."""
    for ax, (who, rows) in zip(axes, of.items(), strict=True):
        marks(ax, rows, apart)
        ax.set_title(who[0].upper() + who[1:])
        without_legend(ax)


def without_legend(ax: Axes) -> None:
    """The panel without the legend that its marks brought; `key` makes one for all panels."""
    if legend := ax.get_legend():
        legend.remove()


def marks(ax: Axes, rows: Rows, apart: float) -> None:
    """One row per condition, one mark per method, in the colours of the methods."""
    colours = {name: colour_of(name) for name in next(iter(rows.values()))}
    markers = [MARKERS.get(name, "o") for name in colours]
    plots.points(ax, in_two_lines(rows), colours, apart, markers)
    plt.setp(ax.lines, markersize=SIZE)


def in_two_lines(rows: Rows) -> Rows:
    """The rows, their names broken at a comma."""
    return {name.replace(", ", ",\n"): marked for name, marked in rows.items()}


def coin(ax: Axes) -> None:
    """What a coin would reach."""
    ax.axvline(0.5, color=GREY, ls=":", lw=1.5)
    ax.text(0.505, ax.get_ylim()[0] - 0.05, "coin", size=10, color=GREY)


def key(fig: Figure, ax: Axes, columns: int, side: str = "center") -> None:
    """A legend of the marks of a panel, below all panels."""
    place: dict[str, Any] = {"loc": f"outside lower {side}", "ncols": columns}
    fig.legend(*ax.get_legend_handles_labels(), handletextpad=0.1, **place)
