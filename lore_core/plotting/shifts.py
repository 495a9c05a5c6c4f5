"""The figures of lesson 10: how profiles shift a model's states, and what learned shifts gain.

Shapes: N users, r directions.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import label
from lore_core.plotting.groups import colour_of
from lore_core.tools.palette import BLACK, BLUE, BROWN, GREY, OLIVE, ORANGE, PINK, SKY, WINE

COLOURS = {"own": WINE, "other": BLACK, "shuffled": BROWN, "random": SKY, "null": GREY}
GROUPS = (WINE, SKY, ORANGE, OLIVE, BLUE, PINK, BROWN, BLACK, GREY)
Curves = Mapping[str, Sequence[float]]


def spectrum(
    panels: Mapping[str, tuple[Curves, Curves]], null: Mapping[str, tuple[Tensor, Tensor]]
) -> Figure:
    """Share of the energy in the first directions: above as it is, below without the mean.

    Args:
        panels: title -> curves (name -> share in the first 1, ..., r directions) of both rows.
        null: title -> (2, r) bounds of what Gaussian rows show, of both rows.
    """
    size = (2.2 * len(panels) + 1, 5)
    fig, axes = plt.subplots(2, len(panels), figsize=size, sharex=True, sharey=True, squeeze=False)
    for column, (title, rows) in zip(axes.T, panels.items(), strict=True):
        for ax, curves, (low, high) in zip(column, rows, null[title], strict=True):
            ranks = range(1, len(low) + 1)
            ax.fill_between(ranks, low, high, color=GREY, alpha=0.5, lw=1)
            for name, shares in curves.items():
                ax.plot(
                    range(1, len(shares) + 1),
                    shares,
                    color=COLOURS[name],
                    lw=5 if name == "own" else 1.8,
                )
            ax.axhline(0.8, color=GREY, ls=":", lw=1)
        column[0].set(title=title, xscale="log", ylim=(0, 1.02))
        column[1].set(xlabel="directions")
    for ax, what in zip(axes[:, 0], ("as it is", "without the mean"), strict=True):
        ax.set_ylabel(f"share of energy,\n{what}")
    names = [*curves, "null"]
    lines = [Line2D([], [], color=COLOURS[name], lw=3) for name in names]
    fig.legend(lines, names, loc="outside upper center", ncols=len(names), frameon=False)
    return fig


def ranks(panels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """How many directions hold a share of the energy, in thousandths of what there is.

    Args:
        panels: title -> name -> share of the energy, as text -> per mille of min(N, d). Names of
            COLOURS have their colour, with ", centred" behind too.
    """
    size = (5 * len(panels), 4)
    fig, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, (title, rows) in zip(axes[0], panels.items(), strict=True):
        for name, found in rows.items():
            look = "o--" if name.startswith("other") else "o-"
            ax.plot(list(found), list(found.values()), look, color=rank_colour(name), lw=2)
        ax.set(title=title, yscale="log", xlabel="share of the energy")
    axes[0, 0].set_ylabel("directions, ‰ of min(users, d)")
    for ax, rows in zip(axes[0], panels.values(), strict=True):
        ends = {name: list(found.values())[-1] for name, found in rows.items()}
        label.ends(ax, ends, {name: rank_colour(name) for name in rows})
    return fig


def rank_colour(name: str) -> str:
    """A profile's colour; grey for what is not ours."""
    return COLOURS.get(name.removesuffix(", centred"), GREY)


def directions(places: Tensor, colourings: Mapping[str, Sequence[str]]) -> Figure:
    """Users on two directions of their shifts, coloured in several ways.

    Args:
        places: (N, 2).
        colourings: title -> N names; at most nine different ones.
    """
    size = (4.6 * len(colourings), 4)
    fig, axes = plt.subplots(
        1, len(colourings), figsize=size, sharex=True, sharey=True, squeeze=False
    )
    for ax, (title, names) in zip(axes[0], colourings.items(), strict=True):
        known = sorted(set(names))
        look = {"hue_order": known, "palette": list(GROUPS[: len(known)]), "s": 30}
        x, y = places.numpy().T
        sns.scatterplot(x=x, y=y, hue=list(names), ax=ax, **look)
        ax.legend(title=None, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        ax.set(title=title, xlabel="first direction")
    axes[0, 0].set_ylabel("second direction")
    return fig


def prices(rows: Mapping[str, tuple[int, Interval]]) -> Figure:
    """The error against the numbers that each user adds.

    Args:
        rows: method -> its numbers per user, and its error.
    """
    fig, ax = plt.subplots(figsize=(8, 4))
    for name, (price, error) in rows.items():
        colour = colour_of(name)
        ax.vlines(price, error.low, error.high, color=colour, alpha=0.4, lw=4)
        ax.plot(price, error.mean, "o", color=colour, ms=8)
        ax.annotate(
            name, (price, error.mean), (8, 0), textcoords="offset points", va="center", size=9
        )
    label.log_ticks(ax, (0, 100, 1_000, 10_000))
    ax.set(xlabel="numbers per user", ylabel="mean absolute error", xlim=(-0.3, 1e6))
    return fig


def where(panels: Mapping[str, tuple[Tensor, list[str], list[str]]]) -> Figure:
    """What is gained where, a heat map for each measure.

    Args:
        panels: title -> values (layers, positions), names of the layers, names of the positions.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.8), squeeze=False)
    most = max(float(values.max()) for values, _, _ in panels.values())
    for ax, (title, (values, layers, positions)) in zip(axes[0], panels.items(), strict=True):
        names = {"xticklabels": positions, "yticklabels": layers}
        look = {"annot": True, "fmt": ".4f", "cmap": "Greens", "vmin": 0, "vmax": most}
        sns.heatmap(values.numpy(), ax=ax, linewidths=1, cbar=False, **look, **names)
        ax.set(title=title, xlabel="tokens of the prompt", ylabel="block")
    return fig


def angles(found: Mapping[str, Tensor]) -> Figure:
    """Angles between subspaces, in degrees, a stroke for each.

    Args:
        found: what is compared -> its angles; the first is what was learned.
    """
    fig, ax = plt.subplots(figsize=(7, 0.5 * len(found) + 1.2))
    for place, values in enumerate(found.values()):
        rows = [place] * len(values)
        ax.plot(values.tolist(), rows, "|", color=GREY if place else WINE, ms=18, mew=2, alpha=0.6)
    ax.set_yticks(range(len(found)), list(found))
    ax.set_ylim(len(found) - 0.5, -0.5)
    ax.set(xlabel="smallest angle in degrees: 0 is the same, 90 unrelated", xlim=(50, 90))
    return fig
