"""The figures of lesson 9: what the crowd, groups and persons add, and who goes to which expert.

Shapes: N users, M experts.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import matplotlib.pyplot as plt
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import label, plots
from lore_core.tools.palette import BLACK, BROWN, GREEN, GREY, OLIVE, ORANGE, PINK, RED, SKY, WINE

COLOURS = {
    "population": ORANGE,
    "population + user": SKY,
    "posterior": OLIVE,
    "PROPER": OLIVE,
    "PROPER without users' adapters": OLIVE,
    "k-means": BROWN,
    "published router": BLACK,
    "one softmax": RED,
    "true groups": GREY,
    "ridge: + user": PINK,
    "ridge: + group + user": GREEN,
    "stage 1 alone": WINE,
    "both stages": WINE,
}
BANDED = ("posterior + user", "true groups + user")  # of the others no interval is drawn
Curve = dict[str, Interval]


def colour_of(method: str) -> str:
    """A method's colour; what is nobody's idea is grey."""
    return COLOURS.get(method, COLOURS.get(method.removesuffix(" + user"), GREY))


def ladder(
    panels: Mapping[str, Mapping[str, Interval]],
    marks: Mapping[str, float],
    blocks: Sequence[int],
    gains: bool = False,
) -> Figure:
    """The error of each method, a panel for each task.

    Args:
        panels: title -> method -> mean error with its interval, from the top down.
        marks: method -> error of another run, drawn as a cross in the first panel.
        blocks: how many methods belong together, from the top down.
        gains: whether these are gains and no errors; 0 is then marked.
    """
    rows = max(map(len, panels.values()))
    size = (5.2 * len(panels), 0.32 * rows + 1)
    fig, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, (title, methods) in zip(axes[0], panels.items(), strict=True):
        results = {name: {name: interval} for name, interval in methods.items()}
        plots.points(ax, results, {name: colour_of(name) for name in methods})
        if legend := ax.get_legend():
            legend.remove()
        for end in accumulate(blocks[:-1]):
            ax.axhline(end - 0.5, color=GREY, lw=0.8)
        if gains:
            ax.axvline(0, color=GREY, ls=":", lw=1.5)
        ax.set(xlabel=title)
    names = list(next(iter(panels.values())))
    for name, value in marks.items():
        axes[0, 0].plot(value, names.index(name), "X", mfc="white", mec=BLACK, ms=8, zorder=5)
    return fig


def sparse(panels: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """What is gained over an adapter of one's own, by length of history; a panel for each task.

    Args:
        panels: title -> method -> band -> gain with its interval; the first band are new users.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(5.4 * len(panels), 4), squeeze=False)
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        colours = {name: colour_of(name) for name in curves}
        for kept in (slice(1), slice(1, None)):  # new users are not joined to the others
            part = {n: dict([*enumerate(c.values())][kept]) for n, c in curves.items()}
            plots.curves(
                ax, {n: c for n, c in part.items() if n not in BANDED}, colours, bands=False
            )
            plots.curves(ax, {n: c for n, c in part.items() if n in BANDED}, colours)
        for name in BANDED:
            first = next(iter(curves[name].values()))
            ax.vlines(0, first.low, first.high, color=colours[name], alpha=0.35, lw=4)
        ax.axhline(0, color=GREY, ls=":", lw=1.5)
        bands = list(next(iter(curves.values())))
        ax.set_xticks(range(len(bands)), [band.replace(", ", "\n") for band in bands])
        ax.set(title=title, xlabel="items in the user's history")
        label.ends(ax, {name: list(c.values())[-1].mean for name, c in curves.items()}, colours)
    axes[0, 0].set_ylabel("gain over “population + user”")
    return fig


def routes(panels: Mapping[str, Tensor], group: Tensor, lines: Sequence[float]) -> Figure:
    """Which share of each expert every user gets, users in the order of their true groups.

    Args:
        panels: title -> shares (N, M).
        group: (N,) true groups.
        lines: shares that are marked in the key: the least and the most of a double softmax.
    """
    order = group.argsort(stable=True)
    ends = group.bincount().cumsum(0)[:-1].tolist()
    fig, axes = plt.subplots(1, len(panels), figsize=(2.9 * len(panels), 4.4), squeeze=False)
    look = {"cmap": "viridis", "vmin": 0, "vmax": 1, "cbar": False, "yticklabels": False}
    for ax, (title, shares) in zip(axes[0], panels.items(), strict=True):
        columns = in_order(shares[order], group[order])
        sns.heatmap(columns.numpy(), ax=ax, xticklabels=False, **look)
        ax.hlines(ends, 0, columns.shape[1], color="white", lw=2)
        ax.set(title=title, xlabel="experts")
    axes[0, 0].set_ylabel("users, by their true group")
    bar = fig.colorbar(axes[0, 0].collections[0], ax=axes, location="bottom", aspect=40, shrink=0.6)
    bar.set_ticks([0, *lines, 1], labels=["0", *(f"{line:.2f}" for line in lines), "1"])
    bar.set_label("share")
    for value in lines:
        bar.ax.axvline(value, color=RED, lw=2)
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
    fig, ax = plt.subplots(figsize=(7, 3.2))
    colours = dict(zip(curves, (GREY, BLACK, RED), strict=False)) | {"equal shares": GREY}
    for place, (name, values) in enumerate(curves.items()):
        steps = range(1, len(values) + 1)
        ax.plot(steps, values, "o-", color=colours[name], ms=4, lw=2 if place else 6, alpha=0.9)
    ax.axhline(even, color=GREY, ls=":", lw=1.5)
    ax.set(xlabel="passes over the items", ylabel="entropy of routes")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ends = {name: values[-1] for name, values in curves.items()} | {"equal shares": even}
    label.ends(ax, ends, colours)
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
    right.set(xlabel="experts", ylabel="experts in use")
    for ax in (left, right):
        ax.set_xticks(list(error))
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
    """A dot for each part, with its number behind it."""
    for place, (name, value) in enumerate(parts.items()):
        ax.plot(value, place, "o", color=SKY if "user" in name else OLIVE, ms=9)
        ax.text(value * 1.7, place, in_words(value), va="center", size=10)
    ax.set_yticks(range(len(parts)), list(parts))
    ax.invert_yaxis()
    ax.set_xlim(left=1, right=max(parts.values()) * 200)


def in_words(value: int) -> str:
    """A number to three digits, in millions where it has some."""
    return f"{value / 1e6:.3g} million" if value >= 1e5 else f"{value:,}"
