"""The figures of lessons 0 to 2: a crowd of users, and what one reward makes of it."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import drawings, label, plots
from lore_core.tools.palette import BLUE, GREY, ORANGE

Curve = dict[float, Interval]


def idea(
    weights: Tensor, users: dict[str, int], scores: Tensor, rewards: dict[str, Tensor], names: list
) -> Figure:
    """Users on a triangle, one basis for all, and the orders in which two users rank responses.

    Args:
        weights: (N, 3) of all users.
        users: label -> row of `weights`, the two users to look at.
        scores: (C, 3), how each basis reward scores the responses to one prompt.
        rewards: label -> (C,), how the two users score them.
        names: of the C responses.
    """
    basis = [f"basis {k + 1}" for k in range(weights.shape[1])]
    fig, axes = plt.subplots(1, 3, figsize=(12, 4.2), width_ratios=[1.55, 0.85, 1])
    drawings.simplex(axes[0], weights, basis, BLUE, users)
    axes[0].set_anchor("N")
    axes[0].set_title("A crowd: every dot is a user", pad=20)
    plots.heat_map(axes[1], scores - scores.mean(0), names, basis)
    axes[1].set_title("One basis for all")
    drawings.rankings(axes[2], rewards, names)
    axes[2].set_title("Their predicted rankings", pad=20)
    return fig


def camps(one: dict[str, Curve], both: Curve, per_user: dict[str, Tensor]) -> Figure:
    """What the larger camp does to the smaller one, and one reward in a crowd of many tastes.

    Args:
        one: "majority" and "minority" -> share of the minority -> accuracy with one reward.
        both: the same for both camps together, with rank 2.
        per_user: label -> (N,) accuracies in the other crowd, first with one reward, then with
            low rank.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9), width_ratios=[1.15, 1])
    lines = {"both, rank 2": both} | {f"{camp}, one reward": curve for camp, curve in one.items()}
    colours = dict(zip(lines, (BLUE, ORANGE, ORANGE), strict=True))
    plots.curves(left, lines, colours, dashed=["minority, one reward"])
    left.set(xlabel="share of the crowd in the minority", ylabel="accuracy on new prompts")
    left.set(title="Two camps", ylim=(-0.05, 1.1))
    label.ends(left, {name: list(line.values())[-1].mean for name, line in lines.items()}, colours)
    plots.histogram(right, per_user, dict(zip(per_user, (ORANGE, BLUE), strict=True)))
    right.set(title="A crowd of many tastes", xlabel="accuracy of one user on new prompts")
    return fig


def triangles(crowds: dict[str, Tensor], corners: list[str]) -> Figure:
    """Crowds of known tastes, side by side.

    Args:
        crowds: title -> (N, 3) tastes.
        corners: names of the three traits.
    """
    fig, axes = plt.subplots(1, len(crowds), figsize=(10, 3.6), squeeze=False)
    for ax, (title, tastes) in zip(axes[0], crowds.items(), strict=True):
        drawings.simplex(ax, tastes, corners)
        ax.set_title(title)
    return fig


def ceilings(agreement: Curve, ceiling: Curve, choices: int) -> Figure:
    """How often two users agree in each crowd, and what a perfect observer gets from noisy users.

    Args:
        agreement: concentration -> how often two users have the same favourite.
        ceiling: temperature -> best possible accuracy.
        choices: number of responses that a favourite is chosen from.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5))
    plots.curves(left, {"two users": agreement}, {"two users": GREY})
    chance(left, 1 / choices, "two random choices")
    label.log_ticks(left, [0.01, 0.1, 1, 10])
    left.set(xlabel="concentration", ylabel=f"same favourite of {choices}", ylim=(0, 1))
    left.set_title("Crowds of high concentration agree")
    plots.curves(right, {"perfect": ceiling}, {"perfect": GREY})
    chance(right, 0.5, "coin")
    label.log_ticks(right, list(ceiling))
    right.set(xlabel="temperature of the choices", ylabel="best possible accuracy")
    right.set(title="The noisier, the lower the ceiling", ylim=(0.45, 1.02))
    return fig


def chance(ax: Axes, height: float, name: str) -> None:
    """What chance alone would give."""
    ax.axhline(height, color=GREY, ls=":", lw=1.5)
    ax.annotate(
        name,
        (0.01, height),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        size=10,
        color=GREY,
    )
