"""The figures of lesson 11: what new users are asked, and what is known after each answer."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import plots, triangle
from lore_core.tools.palette import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, RED

Curve = dict[int, Interval]
COLOURS = {
    "random": GREY,
    "uncertain": RED,
    "information": BLUE,
    "optimal": GREEN,
    "gradient": PINK,
    "best and worst": BLACK,
}
BANDS = ("random", "uncertain", "information")  # of the others no interval is drawn
ACCURACY = "accuracy on unseen prompts"
TOO_MANY = "not within {most}"


def questions(
    results: dict[str, Curve], texts: dict[str, int], known: float, crosses: dict[str, list[list]]
) -> Figure:
    """Accuracy against questions, and against texts read.

    Args:
        results: policy -> questions -> accuracy.
        texts: policy -> texts that a user reads for one question.
        known: accuracy of known weights.
        crosses: policy -> for some other seeds the accuracy after each question, drawn as crosses.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True)
    lines(left, results, known)
    for policy, runs in crosses.items():
        for run in runs:
            left.plot(run, "x", color=COLOURS[policy], ms=5, alpha=0.8)
    left.set(xlabel="questions answered", ylabel=ACCURACY, title="By questions")
    by_text = {
        policy: {n * texts[policy]: at for n, at in curve.items()}
        for policy, curve in results.items()
    }
    lines(right, by_text, known)
    right.set(xlabel="texts read", title="By texts that the user reads")
    right.set_xscale("symlog", linthresh=2, linscale=0.4)
    right.set_xticks([0, 2, 4, 8, 16, 40, 80], ["0", "2", "4", "8", "16", "40", "80"])
    right.minorticks_off()
    right.set_xlim(left=-0.2)
    key(fig, results)
    return fig


def lines(ax: Axes, results: dict[str, Curve], known: float | None = None) -> None:
    """A line for each policy, with a band for some; a dotted line for known weights."""
    colours = {policy: COLOURS[policy] for policy in results}
    banded = {policy: curve for policy, curve in results.items() if policy in BANDS}
    plain = {policy: curve for policy, curve in results.items() if policy not in BANDS}
    if plain:
        plots.curves(ax, plain, colours, bands=False)
    plots.curves(ax, banded, colours)
    plt.setp(ax.lines, markersize=4)
    if known is not None:
        ax.axhline(known, color=GREY, ls=":", lw=1.5)


def key(fig: Figure, policies: Sequence[str] | dict) -> None:
    """One legend below all panels: the policies, and the dotted line."""
    handles = [plt.Line2D([], [], color=COLOURS[policy], marker="o", ms=4) for policy in policies]
    handles.append(plt.Line2D([], [], color=GREY, ls=":", lw=1.5))
    names = [*policies, "known weights"]
    fig.legend(handles, names, loc="outside lower center", ncols=len(names))


def needed(results: dict[str, dict[str, int | None]], most: int) -> Figure:
    """How many questions a policy needs to come near to known weights.

    Args:
        results: what has to be reached -> policy -> questions, None if more than were asked.
        most: questions that were asked.
    """
    fig, axes = plt.subplots(1, len(results), figsize=(10, 2.9), sharey=True, squeeze=False)
    for ax, (goal, counts) in zip(axes[0], results.items(), strict=True):
        rows = list(counts)[::-1]
        for place, policy in enumerate(rows):
            n = counts[policy]
            ax.barh(
                place,
                most if n is None else n,
                color=COLOURS[policy],
                height=0.6,
                alpha=0.25 if n is None else 1.0,
            )
            said = TOO_MANY.format(most=most) if n is None else str(n)
            ax.text((0 if n is None else n) + 0.15, place, said, va="center", size=10)
        ax.set_yticks(range(len(rows)), rows)
        ax.set(title=goal, xlim=(0, most + 0.5), xlabel="questions needed")
        ax.grid(axis="y", visible=False)
    return fig


def posterior(
    clouds: dict[str, tuple[Tensor, Tensor]], truth: Tensor, corners: list[str]
) -> Figure:
    """One user's particles on a triangle, after some answers.

    Args:
        clouds: title -> (n, 3) particles and (n,) how much each counts.
        truth: (3,) what the user's weights are known to be in the end.
        corners: names of the three basis rewards.
    """
    fig, axes = plt.subplots(1, len(clouds), figsize=(12, 3.3), squeeze=False)
    for ax, (title, (points, counts)) in zip(axes[0], clouds.items(), strict=True):
        triangle.outline(ax, corners)
        size = 6 * len(counts) * counts.numpy()  # of all points together the same in each panel
        triangle.scatter(ax, points, s=size, color=BLUE, alpha=0.35)
        triangle.scatter(
            ax,
            truth[None],
            s=130,
            color=ORANGE,
            marker="*",
            alpha=1,
            zorder=3,
            edgecolor=BLACK,
            lw=0.7,
        )
        ax.set_title(title, loc="center")
    return fig


def which(differences: dict[str, dict[str, Interval]]) -> Figure:
    """By how much the two responses of the pairs that are asked differ, trait by trait.

    Args:
        differences: trait -> policy -> mean absolute difference, in standard deviations.
    """
    policies = next(iter(differences.values()))
    fig, ax = plt.subplots(figsize=(8, 4.4))
    plots.points(ax, differences, {policy: COLOURS[policy] for policy in policies}, 0.5)
    plt.setp(ax.lines, markersize=5.5)
    ax.set(xlabel="mean difference of the two responses, in standard deviations of the trait")
    ax.set_xlim(left=0)
    ax.legend(title=None, loc="lower right")
    return fig


def noise(ways: dict[str, dict[str, Curve]], known: float) -> Figure:
    """Accuracy against questions, a panel for each way to answer.

    Args:
        ways: title -> policy -> questions -> accuracy.
        known: accuracy of known weights.
    """
    fig, axes = plt.subplots(1, len(ways), figsize=(12, 3.6), sharey=True, squeeze=False)
    for ax, (title, results) in zip(axes[0], ways.items(), strict=True):
        lines(ax, results, known)
        ax.set(title=title, xlabel="questions")
    axes[0, 0].set_ylabel(ACCURACY)
    key(fig, next(iter(ways.values())))
    return fig


def calibration(shares: dict[str, Tensor], bins: int = 10) -> Figure:
    """Where the truth lies in users' posteriors: flat if these are as sure as they should be.

    Args:
        shares: title -> (N,) how much of each user's posterior lies below the truth.
    """
    fig, axes = plt.subplots(1, len(shares), figsize=(10, 2.7), sharey=True, squeeze=False)
    for ax, (title, values) in zip(axes[0], shares.items(), strict=True):
        expected = len(values) / bins
        spread = 1.96 * np.sqrt(expected * (1 - 1 / bins))
        ax.hist(values.numpy(), bins=bins, range=(0, 1), color=BLUE, alpha=0.7, rwidth=0.92)
        ax.axhspan(expected - spread, expected + spread, color=GREY, alpha=0.25, lw=0)
        ax.axhline(expected, color=GREY, ls=":", lw=1.5)
        ax.set(title=title, xlabel="share below the truth", xticks=[0, 0.5, 1])
    axes[0, 0].set_ylabel("users")
    return fig
