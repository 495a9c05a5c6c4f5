"""What new users get from a few pairs, by method: the figures of lesson 5, and one of lesson 12."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lore_core.evaluation.bootstrap import Interval
from lore_core.methods.registry import colour_of
from lore_core.plotting import label, plots
from lore_core.tools.palette import BLUE, GREY

Curve = dict[int, Interval]
ONE = "Bradley–Terry"  # one reward for all
BANDS = ("LoRe", ONE)  # of the others no interval is drawn
DASHED = ("free weights", "one model per user, from Bradley–Terry")  # the second curve of a colour
CEILING = "known tastes"
TICKS = [1, 2, 5, 9, 20, 50]
PAIRS = "pairs that a new user gives"
ACCURACY = "accuracy of unseen users"


def few_shot(results: dict[str, Curve], panels: dict[str, list[str]]) -> Figure:
    """One curve per method, in panels of one crowd with one axis of accuracy.

    Args:
        results: method -> pairs -> accuracy, "known tastes" among them.
        panels: title -> the methods to show there.
    """
    fig, axes = side_by_side(list(panels), sharey=True)
    for ax, methods in zip(axes, panels.values(), strict=True):
        panel(ax, results, methods)
    axes[0].set_ylabel(ACCURACY)
    legend(fig, [method for methods in panels.values() for method in methods])
    return fig


def crowds(
    results: dict[str, dict[str, Curve]], methods: list[str], bottoms: dict[str, float]
) -> Figure:
    """The same methods in several crowds, each with its own axis of accuracy.

    Args:
        results: title of a crowd -> method -> pairs -> accuracy.
        methods: to show.
        bottoms: title -> where its axis begins; what lies below is cut off.
    """
    fig, axes = side_by_side(list(results), sharey=False)
    for ax, (title, found) in zip(axes, results.items(), strict=True):
        panel(ax, found, methods)
        ax.set_ylim(bottom=bottoms.get(title))
    axes[0].set_ylabel(ACCURACY)
    legend(fig, methods)
    return fig


def side_by_side(titles: list[str], sharey: bool) -> tuple[Figure, list[Axes]]:
    """Panels with these titles."""
    fig, axes = plt.subplots(1, len(titles), figsize=(11, 4.5), sharey=sharey, squeeze=False)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title)
    return fig, list(axes[0])


def panel(ax: Axes, results: dict[str, Curve], methods: list[str]) -> None:
    """Curves, and the accuracy of known tastes as a dotted line."""
    draw(ax, {method: results[method] for method in methods})
    *_, ceiling = results[CEILING].values()
    ax.axhline(ceiling.mean, color=GREY, ls=":", lw=1.5)
    label.log_ticks(ax, TICKS)
    ax.set_xlabel(PAIRS)


def draw(ax: Axes, shown: dict[str, Curve]) -> None:
    """Curves in the colours of their methods; those of BANDS come last, with their intervals."""
    colours = {method: colour_of(method) for method in shown}
    banded = {method: shown[method] for method in BANDS if method in shown}
    others = {method: curve for method, curve in shown.items() if method not in banded}
    plots.curves(ax, others, colours, dashed=DASHED, bands=False)
    plots.curves(ax, banded, colours)


def legend(fig: Figure, methods: list[str]) -> None:
    """One for all panels, below them: every name once, beside its line."""
    lines = {short(method): line_of(method) for method in methods}
    lines[CEILING] = Line2D([], [], color=GREY, ls=":", lw=1.5)
    fig.legend([*lines.values()], [*lines], loc="outside lower center", ncols=4)


def line_of(method: str) -> Line2D:
    """How a method's curve looks."""
    dashes = (0, (3, 1.5)) if method in DASHED else "-"
    return Line2D([], [], color=colour_of(method), ls=dashes, marker="o", mec="white")


def short(method: str) -> str:
    """The name without what the panel's title says."""
    return method.removesuffix(", matched").removesuffix(", published")


def leads(results: dict[str, dict[str, Interval]]) -> Figure:
    """By how much LoRe is ahead of each method, a panel a crowd; left of the line it is behind.

    Args:
        results: title of a crowd -> method -> lead; the first method is on top.
    """
    fig, axes = plt.subplots(1, len(results), figsize=(11, 3.2), sharex=True, squeeze=False)
    for ax, (title, of_crowd) in zip(axes[0], results.items(), strict=True):
        rows = {method: {method: lead} for method, lead in of_crowd.items()}
        plots.points(ax, rows, {method: colour_of(method) for method in rows})
        plt.setp(ax.lines, markersize=6)  # some intervals are narrow
        ax.axvline(0, color=BLUE, ls=":", lw=1.5)
        ax.set_title(title)
        ax.tick_params(labelleft=ax is axes[0, 0])
    axes[0, len(results) // 2].set_xlabel("LoRe's accuracy minus the other's, of the same users")
    return fig


def above_one_reward(worlds: dict[str, dict[str, Curve]], methods: list[str]) -> Figure:
    """How far each method is above one reward for all, a panel a world; below the line it harms.

    Args:
        worlds: title -> method -> pairs -> accuracy, "Bradley–Terry" among the methods.
        methods: to show where a world has them; LoRe's interval is drawn, too.
    """
    fig, axes = plt.subplots(2, -(-len(worlds) // 2), figsize=(12, 5.6), squeeze=False)
    for ax, (title, found) in zip(axes.flat, worlds.items(), strict=False):
        common = next(iter(found[ONE].values())).mean
        draw(ax, {name: minus(found[name], common) for name in methods if name in found})
        ax.axhline(0, color=colour_of(ONE), lw=1.5)
        label.log_ticks(ax, [0, 1, 3, 9, max(found[ONE])])
        ax.set_title(title)
    fig.supxlabel(PAIRS, size=11)
    fig.supylabel("accuracy minus that of one reward for all", size=11)
    lines = [line_of(name) for name in methods]
    fig.legend(lines, [short(name) for name in methods], ncols=5, loc="outside upper left")
    return fig


def minus(curve: Curve, common: float) -> Curve:
    """A curve measured from an accuracy; a point of 0 is of one who ranks nothing, and left out."""
    return {
        pairs: Interval(point.mean - common, point.low - common, point.high - common)
        for pairs, point in curve.items()
        if point.mean > 0
    }


def live(results: dict[str, Curve], full: dict[str, Curve], title: str) -> Figure:
    """A small comparison as dots, beside the full one as lines: a panel a method.

    Args:
        results: method -> pairs -> accuracy, in the small comparison.
        full: the same methods in the full comparison.
        title: what one sees.
    """
    fig, axes = plt.subplots(1, len(results), figsize=(11, 3), sharey=True, squeeze=False)
    for ax, (name, found) in zip(axes.flat, results.items(), strict=True):
        colour = {name: colour_of(name)}
        ax.plot(list(full[name]), [point.mean for point in full[name].values()], color=colour[name])
        for pairs, point in found.items():
            ax.plot([pairs] * 2, [point.low, point.high], color=colour[name], lw=4, alpha=0.35)
            ax.plot(pairs, point.mean, "o", color=colour[name], ms=8, mec="white")
        ax.set_title(name, color=label.ink(colour[name]), weight="bold")
        label.log_ticks(ax, list(found))
    fig.suptitle(title, x=0.01, ha="left", size=12)
    fig.supxlabel(PAIRS, size=11)
    fig.supylabel(ACCURACY, size=11)
    return fig


def best_of_n(shares: dict[str, Interval]) -> Figure:
    """How much of a perfect observer's gain each method brings, the best on top.

    Args:
        shares: method -> share.
    """
    ranked = dict(sorted(shares.items(), key=lambda pair: -pair[1].mean))
    fig, ax = plt.subplots(figsize=(8, 5))
    rows = {method: {method: share} for method, share in ranked.items()}
    plots.points(ax, rows, {method: colour_of(method) for method in ranked})
    ax.axvline(0, color=colour_of(ONE), ls=":", lw=1.5)
    ax.set_xlabel("share of a perfect observer's gain (9 pairs)")
    return fig
