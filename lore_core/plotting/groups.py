"""The figures of lesson 9: what the crowd, groups and persons add, and who goes to which expert.

Shapes: N users, M experts.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import label, plots
from lore_core.tools.palette import BLACK, BROWN, GREEN, GREY, OLIVE, ORANGE, PINK, RED, SKY

COLOURS = {
    "population": ORANGE,
    "population + user": SKY,
    "posterior": OLIVE,
    "k-means": BROWN,
    "published router": BLACK,
    "one softmax": RED,
    "true groups": GREY,
    "ridge: + user": PINK,
    "ridge: + group + user": GREEN,
}
BANDED = ("posterior + user", "true groups + user")  # of the others no interval is drawn
Curve = dict[str, Interval]


def colour_of(method: str) -> str:
    """A method's colour; what is nobody's idea is grey."""
    return COLOURS.get(method, COLOURS.get(method.removesuffix(" + user"), GREY))


def ladder(panels: Mapping[str, Mapping[str, Interval]], marks: Mapping[str, float]) -> Figure:
    """The error of each method, a panel for each task.

    Args:
        panels: title -> method -> mean error with its interval, from the top down.
        marks: method -> error of another run, drawn as a cross in the first panel.
    """
    rows = max(map(len, panels.values()))
    fig, axes = plt.subplots(
        1, len(panels), figsize=(5.2 * len(panels), 0.32 * rows + 1), sharey=True, squeeze=False
    )
    for ax, (title, methods) in zip(axes[0], panels.items(), strict=True):
        results = {name: {name: interval} for name, interval in methods.items()}
        plots.points(ax, results, {name: colour_of(name) for name in methods})
        if legend := ax.get_legend():
            legend.remove()
        ax.set(xlabel=title)
    names = list(next(iter(panels.values())))
    for name, value in marks.items():
        axes[0, 0].plot(value, names.index(name), "x", color=BLACK, ms=7, zorder=5)
    return fig


def sparse(panels: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """What is gained on an adapter of one's own, by length of history; a panel for each task.

    Args:
        panels: title -> method -> band -> gain with its interval.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(5.4 * len(panels), 4), squeeze=False)
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        colours = {name: colour_of(name) for name in curves}
        plots.curves(ax, {n: c for n, c in curves.items() if n not in BANDED}, colours, bands=False)
        plots.curves(ax, {n: c for n, c in curves.items() if n in BANDED}, colours)
        ax.axhline(0, color=GREY, ls=":", lw=1.5)
        ax.set(title=title, xlabel="items in the user's history")
        label.ends(ax, {name: list(c.values())[-1].mean for name, c in curves.items()}, colours)
    axes[0, 0].set_ylabel("gain on “population + user”")
    return fig


def routes(
    panels: Mapping[str, Tensor], group: Tensor, lines: Mapping[str, Sequence[float]]
) -> Figure:
    """Which share of each expert every user gets, users in the order of their true groups.

    Args:
        panels: title -> shares (N, M).
        group: (N,) true groups.
        lines: title -> shares that are marked in the key: the least and the most there can be.
    """
    order = group.argsort(stable=True)
    ends = group.bincount().cumsum(0)[:-1].tolist()
    fig, axes = plt.subplots(1, len(panels), figsize=(2.9 * len(panels), 4.6), squeeze=False)
    for ax, (title, shares) in zip(axes[0], panels.items(), strict=True):
        columns = in_order(shares[order], group[order])
        picture = sns.heatmap(
            columns.numpy(),
            ax=ax,
            cmap="viridis",
            vmin=0,
            vmax=1,
            xticklabels=list(range(1, columns.shape[1] + 1)),
            yticklabels=False,
            cbar_kws={"location": "bottom", "aspect": 20, "pad": 0.12, "ticks": [0, 0.5, 1]},
        )
        bar = picture.figure.axes[-1]
        for value in lines.get(title, ()):
            bar.axvline(value, color=RED, lw=2)
        ax.hlines(ends, 0, columns.shape[1], color="white", lw=2)
        ax.set(title=title, xlabel="expert")
    axes[0, 0].set_ylabel("users, by their true group")
    return fig


def in_order(shares: Tensor, group: Tensor) -> Tensor:
    """The experts in the order of the true groups that use them most, (N, M)."""
    means = torch.stack([shares[group == g].mean(0) for g in group.unique()])
    return shares[:, means.argmax(0).argsort(stable=True)]


def penalty(curves: Mapping[str, Sequence[float]], even: float) -> Figure:
    """How even the routes are while the router is trained.

    Args:
        curves: name -> entropy of the routes after each pass.
        even: entropy of equal shares.
    """
    fig, ax = plt.subplots(figsize=(7, 3.4))
    colours = dict(zip(curves, (BLACK, RED, OLIVE, SKY), strict=False))
    for name, values in curves.items():
        ax.plot(range(1, len(values) + 1), values, "o-", color=colours[name], ms=4)
    ax.axhline(even, color=GREY, ls=":", lw=1.5)
    ax.set(xlabel="passes over the items", ylabel="entropy of a user's routes", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    label.ends(ax, {name: values[-1] for name, values in curves.items()}, colours)
    return fig


def experts(error: Mapping[int, Interval], used: Mapping[int, Interval]) -> Figure:
    """Error and number of experts in use, against the number there is.

    Args:
        error: M -> mean error.
        used: M -> perplexity of the users' mean shares.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4))
    plots.curves(left, {"error": dict(error)}, {"error": OLIVE})
    plots.curves(right, {"used": dict(used)}, {"used": OLIVE})
    right.plot([1, max(used)], [1, max(used)], color=GREY, ls=":", lw=1.5)
    left.set(xlabel="experts", ylabel="mean absolute error")
    right.set(xlabel="experts", ylabel="experts in use (perplexity)")
    return fig


def parameters(rows: Mapping[str, Mapping[str, int]]) -> Figure:
    """Trained numbers: what all share, and what each user adds.

    Args:
        rows: title -> part -> numbers.
    """
    fig, axes = plt.subplots(1, len(rows), figsize=(5 * len(rows), 2.6), squeeze=False)
    for ax, (title, parts) in zip(axes[0], rows.items(), strict=True):
        bars(ax, parts)
        ax.set(title=title, xscale="log", xlabel="numbers")
    return fig


def bars(ax: Axes, parts: Mapping[str, int]) -> None:
    """A bar for each part, with its number behind it."""
    names = list(parts)
    ax.barh(names, list(parts.values()), color=[SKY if "user" in n else OLIVE for n in names])
    for place, value in enumerate(parts.values()):
        ax.text(value * 1.15, place, f"{value:,}", va="center", size=9)
    ax.invert_yaxis()
    ax.set_xlim(left=max(1, min(parts.values()) / 10), right=max(parts.values()) * 40)
    ax.grid(axis="y", visible=False)
