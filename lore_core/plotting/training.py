"""The figures of training: two recipes, a planted basis that is found again, and overfitting."""

from math import floor

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import label, plots
from lore_core.tools.palette import BLACK, BLUE, GREY

Curve = dict[float, Interval]
FIRST = "specialists"


def recipe_colour(name: str) -> str:
    """Black for the paper's recipe, blue for the default, grey for any other."""
    return BLACK if "paper" in name else BLUE if "default" in name else GREY


def recipes(losses: dict[str, dict[str, list[float]]], top: float) -> Figure:
    """Loss on training pairs (dashed) and on validation pairs after each step, a panel a recipe.

    Args:
        losses: recipe -> "training pairs" and "validation pairs" -> loss after each step.
        top: of the picture.
    """
    fig, axes = plt.subplots(1, len(losses), figsize=(10, 3.5), sharey=True, squeeze=False)
    for ax, (name, parts) in zip(axes[0], losses.items(), strict=True):
        for (part, values), ls in zip(parts.items(), ("--", "-"), strict=True):
            ax.plot(range(1, len(values) + 1), values, color=recipe_colour(name), ls=ls, label=part)
        ax.set(title=name[0].upper() + name[1:], ylim=(0, top))
        ax.set_xlabel("step (up to ten iterations)")
        if len(values) > 100:  # of which the first ones count
            label.log_ticks(ax, [1, 10, 100, 1000])
            ax.set_xlabel("step")
    axes[0, 0].set(ylabel="loss per pair")
    axes[0, 0].legend(loc="upper right")
    return fig


def recovery(found: dict[str, dict[str, Curve]], possible: dict[str, float]) -> Figure:
    """Accuracy on new prompts, and cosine with the planted basis, for two crowds.

    Args:
        found: "accuracy" and "alignment" -> crowd -> pairs per user -> Interval over worlds.
        possible: crowd -> accuracy of its true reward.
    """
    fig, axes = plt.subplots(1, 2, figsize=(10.5, 3.7))
    colours = dict.fromkeys(possible, BLUE)
    for ax, of_crowd in zip(axes, found.values(), strict=True):
        plots.curves(ax, of_crowd, colours, dashed=list(possible)[1:])
        label.log_ticks(ax, list(of_crowd[FIRST]))
        ax.set_xlabel("pairs per user")
    axes[0].set(ylabel="accuracy on new prompts", title="Does it predict?", ylim=(0.5, 1))
    axes[1].set(ylabel="cosine with the truth", title="Is the basis found?", ylim=(0, 1.02))
    truths = {f"true reward, {crowd}": height for crowd, height in possible.items()}
    for height in truths.values():
        axes[0].axhline(height, color=GREY, ls=":", lw=1.5)
    reached = [{crowd: last(curve) for crowd, curve in of.items()} for of in found.values()]
    greys = dict.fromkeys(truths, GREY)
    label.ends(axes[0], reached[0] | truths, colours | greys)
    label.ends(axes[1], reached[1], colours)
    return fig


def overfitting(accuracies: dict[str, Curve]) -> Figure:
    """Accuracy on training pairs (dashed) and on new prompts against pairs per user.

    Args:
        accuracies: "RECIPE, training pairs" and "RECIPE, unseen prompts" -> pairs -> Interval.
    """
    colours = {name: recipe_colour(name) for name in accuracies}
    fig, ax = plt.subplots(figsize=(8, 3.9))
    dashed = [name for name in accuracies if name.endswith("training pairs")]
    plots.curves(ax, accuracies, colours, dashed)
    for at, name in enumerate(dashed):  # both are near 1: each is seen in the other's gaps
        ax.lines[list(accuracies).index(name)].set_linestyle((3 * at, (3, 3)))
    label.log_ticks(ax, list(accuracies[dashed[0]]))
    lowest = min(point.low for curve in accuracies.values() for point in curve.values())
    ax.set(xlabel="training pairs per user", ylabel="accuracy")
    ax.set_ylim(floor(20 * lowest) / 20, 1.01)
    label.ends(ax, {name: last(curve) for name, curve in accuracies.items()}, colours)
    return fig


def last(curve: Curve) -> float:
    """Where a curve ends."""
    return float(list(curve.values())[-1].mean)
