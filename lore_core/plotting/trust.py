"""The figures of lesson 7: a curve that rises for a wrong reason, and the map of overfitting."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import plots
from lore_core.tools.palette import BLACK, GREY

Curves = dict[str, dict[str, Interval]]
READ = "published plot, by eye"
APART = 0.08  # of a step between two ranks


def by_rank(panels: dict[str, Curves], published: dict[str, float], signal: float) -> Figure:
    """Accuracy against rank, a panel for each way of rendering the texts.

    Args:
        panels: title -> whose pairs -> rank -> accuracy; the first curve is of training pairs.
        published: rank -> accuracy in the published plot; drawn in the first panel.
        signal: how often people choose what the true reward prefers.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(10.5, 4), sharey=True, squeeze=False)
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        lines(ax, curves)
        ax.axhline(signal, color=GREY, ls=":", lw=1.5)
        ax.set(title=title, xlabel="rank K")
    axes[0, 0].set(ylabel="accuracy", ylim=(0.45, 1.01))
    places = list(next(iter(next(iter(panels.values())).values())))
    spots = [places.index(rank) for rank in published]
    axes[0, 0].plot(spots, list(published.values()), "x", color=GREY, ms=8, label=READ)
    axes[0, 0].text(len(places) - 1, signal + 0.008, "true reward", ha="right", color=GREY, size=10)
    axes[0, 0].legend(loc="center right", fontsize=10)
    return fig


def lines(ax: Axes, curves: Curves) -> None:
    """One curve for each kind of pairs, evenly spaced over the ranks; the first one is dashed.

    They stand a little apart, so that their intervals can be told from each other.
    """
    ranks = list(next(iter(curves.values())))
    placed = {
        name: {place + shift: curve[rank] for place, rank in enumerate(ranks)}
        for shift, (name, curve) in zip((-APART, 0, APART), curves.items(), strict=False)
    }
    plots.curves(ax, placed, dict.fromkeys(curves, BLACK), dashed=list(curves)[:1], bands=False)
    for line, name, marker in zip(ax.lines, curves, "osD", strict=False):
        line.set(marker=marker, markersize=6, label=name)
    for curve in placed.values():
        lows, highs = ([getattr(at, end) for at in curve.values()] for end in ("low", "high"))
        ax.vlines(list(curve), lows, highs, color=BLACK, lw=3, alpha=0.25)
    ax.set_xticks(range(len(ranks)), ranks)


def overfitting_map(table: pd.DataFrame, known: dict[int, str]) -> Figure:
    """Accuracy on new prompts for each number of pairs and rank: a row a crowd, a column a recipe.

    Args:
        table: of `evaluation.overfitting`.
        known: pairs per user -> the data sets that have about so many.
    """
    crowds, recipes = (list(table[name].unique()) for name in ("crowd", "recipe"))
    size = (5 * len(recipes), 3.1 * len(crowds))
    fig, axes = plt.subplots(len(crowds), len(recipes), figsize=size, sharey=True, squeeze=False)
    for row, crowd in zip(axes, crowds, strict=True):
        of_crowd = table[table.crowd == crowd]
        ends = of_crowd["mean"].min(), of_crowd["mean"].max()
        for ax, recipe in zip(row, recipes, strict=True):
            cells(ax, of_crowd[of_crowd.recipe == recipe], ends)
            ax.set(title=f"{crowd[0].upper()}{crowd[1:]}: {recipe}", xlabel="", ylabel="")
        row[0].set_ylabel("rank K")
    for ax in axes[-1]:
        name_data_sets(ax, list(table.pairs.unique()), known)
    return fig


def cells(ax: Axes, table: pd.DataFrame, ends: tuple[float, float]) -> None:
    """One panel of the map, the highest rank on top, each cell with its number."""
    square = table.pivot(index="rank", columns="pairs", values="mean").iloc[::-1]
    low, high = ends
    look = {"annot": True, "fmt": ".2f", "cbar": False, "linewidths": 1}
    sns.heatmap(square, cmap="cividis", vmin=low, vmax=high, ax=ax, **look)
    ax.tick_params(length=0, rotation=0)


def name_data_sets(ax: Axes, pairs: Sequence[int], known: dict[int, str]) -> None:
    """The data sets below the numbers of pairs that their people gave."""
    names = [f"{n}\n{known.get(n, '')}" for n in pairs]
    ax.set_xticklabels(names, rotation=0, size=10)
    ax.set_xlabel("pairs per user")
