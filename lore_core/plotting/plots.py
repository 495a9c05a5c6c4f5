"""One function per kind of plot. Each draws on the `ax` it is given and returns it.

Seaborn draws what can be written as a table. It is handed the three numbers of each Interval and
draws their middle and their ends: nothing is resampled here.
Shapes: N users.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval

BINS = 16  # edges that a float holds exactly: no user falls to another side by rounding
AS_GIVEN = {"estimator": "median", "errorbar": ("pi", 100)}  # of low, mean and high


def tidy(results: Mapping, *names: str) -> pd.DataFrame:
    """Nested dictionaries of Intervals as a table, three rows for each: its mean and its bounds.

    Args:
        results: as deep as there are names, with Intervals inside.
        names: of the columns that hold the keys; the last column is `value`.
    """
    rows = [(*keys, float(bound)) for keys, found in leaves(results) for bound in found]
    return pd.DataFrame(rows, columns=[*names, "value"])


def leaves(nested: Mapping | Interval) -> Iterator[tuple[tuple, Interval]]:
    """The Intervals in nested dictionaries, each with the keys that lead to it."""
    if isinstance(nested, Interval):
        yield (), nested
        return
    for key, inner in nested.items():
        yield from (((key, *keys), leaf) for keys, leaf in leaves(inner))


def curves(
    ax: Axes,
    results: Mapping[str, Mapping[Any, Interval]],
    colours: dict[str, str],
    dashed: Collection[str] = (),
    bands: bool = True,
) -> Axes:
    """Lines through means, with the intervals as bands. The caller names them: `label.ends`.

    Args:
        results: name -> x -> Interval.
        colours: name -> colour.
        dashed: names of the second curve of an idea.
        bands: whether to draw the intervals.
    """
    dashes = {name: (3, 1.5) if name in dashed else "" for name in results}
    look: dict[str, Any] = dict(palette=colours, dashes=dashes, legend=False)
    look["markers"] = dict.fromkeys(results, "o")
    look |= AS_GIVEN | {"err_kws": {"lw": 0}} if bands else AS_GIVEN | {"errorbar": None}
    table = tidy(results, "curve", "x")
    sns.lineplot(table, x="x", y="value", hue="curve", style="curve", ax=ax, **look)
    ax.set(xlabel="", ylabel="")
    return ax


def points(
    ax: Axes,
    results: dict[str, dict[str, Interval]],
    colours: dict[str, str],
    apart: float | bool = False,
    markers: str | list[str] = "o",
) -> Axes:
    """One row per condition, one mark with its interval per method; the first row is on top.

    Args:
        results: condition -> method -> Interval.
        colours: method -> colour, also the order in the legend.
        apart: share of a row's height over which the methods are spread.
        markers: one for all methods, or one for each.
    """
    table = tidy(results, "row", "method")
    look: dict[str, Any] = dict(palette=colours, hue_order=list(colours), dodge=apart)
    look["markers"] = markers
    look |= AS_GIVEN | {"linestyle": "none", "err_kws": {"lw": 3, "alpha": 0.4}}
    sns.pointplot(table, x="value", y="row", hue="method", ax=ax, **look)
    ax.set(xlabel="", ylabel="")
    ax.grid(axis="x", visible=True)
    return ax


def heat_map(ax: Axes, values: Tensor, rows: list[str], columns: list[str]) -> Axes:
    """A small matrix as colours, with a key: green is high, purple is low, white is zero.

    Args:
        values: (rows, columns).
    """
    bound = float(values.abs().max())
    key = {"location": "bottom", "aspect": 25, "pad": 0.03, "ticks": [-bound, 0, bound]}
    table = pd.DataFrame(values.numpy(), rows, columns)
    sns.heatmap(table, cmap="PRGn", vmin=-bound, vmax=bound, ax=ax, cbar_kws=key)
    bar = ax.figure.axes[-1]  # the key, drawn last
    bar.set_xticklabels(["low", "mean", "high"])
    bar.tick_params(length=0)
    ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False, rotation=0)
    return ax


def histogram(ax: Axes, per_user: dict[str, Tensor], colours: dict[str, str]) -> Axes:
    """How many users are at each accuracy, as outlines; a dotted line is a mean over users.

    Args:
        per_user: label -> (N,) accuracies.
        colours: label -> colour.
    """
    table = pd.DataFrame({label: values.tolist() for label, values in per_user.items()})
    outlines = {"element": "step", "fill": False, "bins": BINS, "binrange": (0, 1)}
    sns.histplot(table, palette=colours, ax=ax, **outlines)
    sns.move_legend(ax, "upper left")
    for label, mean in table.mean().items():
        ax.axvline(mean, color=colours[str(label)], ls=":")
    ax.set_ylabel("users")
    return ax
