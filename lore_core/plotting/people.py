"""The figures of the report on the reader's own people.

Shapes: N people, K basis rewards, T traits.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lore_core.plotting import label
from lore_core.tools.palette import BLACK, BLUE, GREY, ORANGE, SKY

COLOURS = {"one reward for all": ORANGE, "LoRe": BLUE, "one model per person": SKY}
MOST = 60  # people in the picture of the weights
CYCLE = 8  # colours of the style; more rewards take those of another table


def curve(table: pd.DataFrame) -> Figure:
    """Accuracy for new people against the pairs they give, with intervals.

    Args:
        table: columns method, pairs, mean, low, high.
    """
    fig, ax = plt.subplots(figsize=(7, 4))
    ends = {}
    for name, rows in table.groupby("method", sort=False):
        colour = COLOURS[str(name)]
        ax.fill_between(rows.pairs, rows.low, rows.high, color=colour, alpha=0.15, lw=0)
        ax.plot(rows.pairs, rows["mean"], "o-", color=colour, mec="white")
        ends[str(name)] = float(rows["mean"].iloc[-1])
    label.log_ticks(ax, sorted(set(table.pairs)))
    ax.set_xlabel("pairs that a new person gives")
    ax.set_ylabel("accuracy on new prompts")
    label.ends(ax, ends, COLOURS)
    return fig


def gains(values: Tensor) -> Figure:
    """How much better or worse each person is served than by one reward for all.

    Args:
        values: (N,) gains in accuracy; NaN for who could not be tested.
    """
    known = np.sort(values[~values.isnan()].numpy())
    fig, ax = plt.subplots(figsize=(7, 3))
    ax.bar(np.arange(len(known)), known, width=1.0, color=np.where(known > 0, BLUE, ORANGE))
    ax.axhline(0, color=BLACK, lw=1)
    ax.axhline(known.mean(), color=GREY, ls=":", lw=1.5)
    label.ends(ax, {"mean": float(known.mean())}, {"mean": GREY})
    ax.set_xticks([])
    ax.set_xlabel(f"{len(known)} people, from the one who loses most to the one who gains most")
    ax.set_ylabel("gain in accuracy")
    return fig


def weights(table: Tensor, names: tuple[str, ...]) -> Figure:
    """Everybody's mixture of the basis rewards as a strip, people alike beside each other.

    Args:
        table: (N, K) weights.
        names: N names; shown where there are few.
    """
    rows = alike(table)
    rows = rows[:: max(1, len(rows) // MOST)] if len(rows) > MOST else rows
    fig, ax = plt.subplots(figsize=(9, 3.2))
    left = np.zeros(len(rows))
    if table.shape[1] > CYCLE:
        ax.set_prop_cycle(color=plt.get_cmap("tab20")(np.arange(20)))
    for k, share in enumerate(table[rows].T.numpy()):
        ax.bar(np.arange(len(rows)), share, bottom=left, width=1.0, label=f"reward {k + 1}")
        left += share
    ax.set_xlim(-0.5, len(rows) - 0.5)
    ax.set_ylim(0, 1)
    ax.grid(False)
    ax.set_xticks(np.arange(len(rows)), [names[row] for row in rows], rotation=90, size=7)
    ax.set_ylabel("weight")
    fig.legend(loc="outside upper left", ncols=min(8, table.shape[1]))
    return fig


def alike(table: Tensor) -> list[int]:
    """People by their strongest reward, and within it by its weight."""
    strongest = table.argmax(1)
    return sorted(
        range(len(table)), key=lambda u: (int(strongest[u]), -float(table[u, strongest[u]]))
    )


def likes(correlations: Tensor, trait_names: tuple[str, ...]) -> Figure:
    """What each basis reward goes with: its correlation with every trait, as a table of colours.

    Args:
        correlations: (K, T), between -1 and 1.
        trait_names: T names.
    """
    k, t = correlations.shape
    fig, ax = plt.subplots(figsize=(1.6 + 0.75 * t, 1.2 + 0.5 * k))
    ax.pcolormesh(correlations.numpy(), cmap="RdBu", vmin=-1, vmax=1, edgecolors="white")
    ax.invert_yaxis()
    write_numbers(ax, correlations)
    ax.set_xticks(
        np.arange(t) + 0.5,
        [name.replace("_", " ") for name in trait_names],
        rotation=30,
        ha="right",
    )
    ax.set_yticks(np.arange(k) + 0.5, [f"reward {number + 1}" for number in range(k)])
    ax.grid(False)
    return fig


def write_numbers(ax: Axes, table: Tensor) -> None:
    """Each number in its cell, light on dark."""
    for (row, column), value in np.ndenumerate(table.numpy()):
        colour = "white" if abs(value) > 0.6 else BLACK
        text = f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−")
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, size=9)
