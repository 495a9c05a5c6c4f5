"""The figures of lesson 4: four blocks of tests, and ranks."""

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lore_core.evaluation.bootstrap import Interval
from lore_core.methods.registry import colour_of
from lore_core.plotting import plots
from lore_core.tools.palette import BLUE, GREY

MARKERS = {"another user's weights": "X", "reference": "D"}  # both grey


def blocks(results: dict[str, dict[str, Interval]]) -> Figure:
    """Each method on seen and unseen users and prompts.

    Args:
        results: block, such as "seen users, unseen prompts" -> method -> accuracy.
    """
    rows = {block.replace(", ", ",\n"): methods for block, methods in results.items()}
    colours = {name: colour_of(name) for name in next(iter(rows.values()))}
    fig, ax = plt.subplots(figsize=(8, 4))
    plots.points(ax, rows, colours, 0.45, [MARKERS.get(name, "o") for name in colours])
    ax.axvline(0.5, color=GREY, ls=":", lw=1.5)
    ax.text(0.505, len(rows) - 0.55, "coin", size=10, color=GREY)
    ax.set(xlabel="accuracy (95 % interval over users)", xlim=(0.48, 1))
    place = {"bbox_to_anchor": (0.4, 1), "ncols": 4, "handletextpad": 0.1, "columnspacing": 1}
    sns.move_legend(ax, "lower center", title=None, **place)
    return fig


def ranks(sweep: dict[float, dict[str, dict[int, Interval]]], chosen: dict[float, int]) -> Figure:
    """Accuracy against rank for seen and unseen users (dashed), a panel a crowd.

    Args:
        sweep: concentration -> who -> rank -> accuracy on unseen prompts.
        chosen: concentration -> the rank that validation chose.
    """
    fig, axes = plt.subplots(1, len(sweep), figsize=(10, 3.7), sharey=True, squeeze=False)
    for ax, (concentration, curves) in zip(axes[0], sweep.items(), strict=True):
        plots.curves(ax, curves, dict.fromkeys(curves, BLUE), dashed=list(curves)[1:])
        ax.axvline(chosen[concentration], color=GREY, ls=":", lw=1.5)
        ax.set(title=f"concentration {concentration:g}", xlabel="rank K", ylim=(0.5, 1))
        ax.set_xticks([0, 1, 2, 4, 6, 8, 10, 12])
    key(fig, axes[0, 0], list(sweep[concentration]))
    axes[0, 0].set_ylabel("accuracy on unseen prompts")
    return fig


def key(fig: Figure, ax: Axes, who: list[str]) -> None:
    """What the solid, the dashed and the dotted line are."""
    for name, ls in zip(who, ("-", "--"), strict=True):
        ax.plot([], [], color=BLUE, ls=ls, label=name)
    ax.plot([], [], color=GREY, ls=":", lw=1.5, label="chosen on validation")
    fig.legend(loc="outside lower center", ncols=3, handlelength=3)
