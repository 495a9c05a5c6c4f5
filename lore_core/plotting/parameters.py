"""The figures of lesson 6: what users cost in parameters, and what parameters buy."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lore_core.evaluation.bootstrap import Interval
from lore_core.methods.registry import colour_of
from lore_core.plotting import label, plots

LIMITS = (100, 1e11)


def totals(total: dict[int, dict[str, dict[int, int]]], dashed: str) -> Figure:
    """Trainable parameters against seen users, a panel for each size of embedding.

    Args:
        total: d -> method -> seen users -> parameters.
        dashed: the method whose line is dashed: a second one of its family.
    """
    fig, axes = plt.subplots(1, len(total), figsize=(10, 4.2), sharey=True, squeeze=False)
    for ax, (d, lines) in zip(axes[0], total.items(), strict=True):
        colours = {name: colour_of(name) for name in lines}
        for name, line in lines.items():
            ls = "--" if name == dashed else "-"
            ax.plot(list(line), list(line.values()), color=colours[name], ls=ls)
        ax.set(xscale="log", yscale="log", ylim=LIMITS, xlabel="seen users", title=f"d = {d}")
        ax.margins(x=0)
        label.ends(ax, {name: list(line.values())[-1] for name, line in lines.items()}, colours)
    axes[0, 0].set_ylabel("trainable parameters")
    return fig


def bought(one_more: dict[str, dict[str, int]], d: int, methods: dict[str, dict]) -> Figure:
    """What one more user costs; and, for each method, its size beside its accuracy.

    Args:
        one_more: "trained" and "kept" -> method -> numbers for one more user.
        d: size of the embeddings of these users.
        methods: method -> its "parameters", and the "mean", "low" and "high" of its accuracy.
    """
    ranked = dict(sorted(methods.items(), key=lambda pair: pair[1]["parameters"]))
    parts = "mm\nsg"  # one more user above, size and gain below
    fig, axes = plt.subplot_mosaic(parts, figsize=(8.5, 7.2), height_ratios=[1, 1.2])
    users(axes["m"], one_more)
    axes["m"].set_title(f"One more user, d = {d}")
    marks(axes["s"], {name: row["parameters"] for name, row in ranked.items()}, {"ms": 8})
    axes["s"].set(
        xscale="log",
        xlabel="trainable parameters in all",
        title="Size in lesson 5 (300 seen users)",
    )
    gains(axes["g"], ranked)
    return fig


def users(ax: Axes, one_more: dict[str, dict[str, int]]) -> None:
    """A dot for what is trained, a ring for what is kept."""
    marks(ax, one_more["kept"], {"mfc": "none", "ms": 13, "mew": 2})
    marks(ax, one_more["trained"], {"ms": 7})
    ax.set_xscale("symlog", linthresh=1)  # 0 has a place
    ax.set(xlim=(-0.3, 2e4), xlabel="numbers: ● trained, ○ kept")
    ax.set_xticks([0, 1, 10, 100, 1000, 10_000], ["0", "1", "10", "100", "1,000", "10,000"])


def gains(ax: Axes, methods: dict[str, dict]) -> None:
    """Accuracies in the same rows as the sizes, so without names."""
    bounds = {name: Interval(row["mean"], row["low"], row["high"]) for name, row in methods.items()}
    rows = {name: {name: interval} for name, interval in bounds.items()}
    plots.points(ax, rows, {name: colour_of(name) for name in rows})
    ax.set(xlabel="accuracy of unseen users", title="Accuracy after 9 pairs")
    ax.set_yticklabels([])


def marks(ax: Axes, values: Mapping[str, float], look: dict[str, Any]) -> None:
    """One row and one mark per method, the first on top."""
    for row, (name, value) in enumerate(values.items()):
        ax.plot(value, row, "o", color=colour_of(name), **look)
    ax.set_yticks(range(len(values)), list(values))
    ax.set_ylim(len(values) - 0.5, -0.5)
