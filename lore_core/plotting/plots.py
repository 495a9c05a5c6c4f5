"""One function per kind of figure. Each draws on the `ax` it is given and returns it.

Shapes: N users, C candidates of one prompt.
"""

import torch
from matplotlib.axes import Axes
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import style

DARK = "#5F5F5F"  # grey that can still be read when the figure is shown at half its width
CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]], dtype=torch.float64)


def simplex(
    ax: Axes, points: Tensor, corners: list[str], marked: dict[str, int] | None = None
) -> Axes:
    """Points on the triangle: each corner is one pure taste, the middle is all three alike.

    Args:
        points: (N, 3), rows on the simplex.
        corners: names of the three columns.
        marked: label -> row, for users to point out.
    """
    outline = CORNERS[[0, 1, 2, 0]]
    ax.plot(*outline.T, color=DARK, lw=1)
    ax.scatter(*(points @ CORNERS).T, s=20, color=style.SKY, alpha=0.55, lw=0)
    for (label, row), colour in zip((marked or {}).items(), (style.BLUE, style.RED), strict=False):
        x, y = points[row] @ CORNERS
        ax.scatter(x, y, s=90, color=colour, edgecolor="white", lw=1.5, zorder=3)
        away = (12, 0) if x > 0.5 else (-12, 0)
        ax.annotate(
            label, (x, y), away, textcoords="offset points", color=colour, va="center",
            ha="left" if x > 0.5 else "right", weight="bold",
        )  # fmt: skip
    for name, (x, y), side in zip(corners, CORNERS, ("top", "top", "bottom"), strict=True):
        offset = -0.05 if side == "top" else 0.04
        ax.text(x, y + offset, name, ha="center", va=side, color=style.BLACK)
    ax.set(xlim=(-0.2, 1.2), ylim=(-0.15, 1.0), aspect="equal")
    ax.axis("off")
    return ax


def rankings(ax: Axes, scores: dict[str, Tensor], names: list[str]) -> Axes:
    """The same responses in two orders, best on top; a line crosses where the users disagree.

    Args:
        scores: label of a user -> (C,) rewards, two users.
        names: C names of the responses.
    """
    (left, right), ranks = scores, [(-s).argsort().argsort() + 1 for s in scores.values()]
    for a, b, name in zip(*(r.tolist() for r in ranks), names, strict=True):
        extreme = {1, len(names)} & {a, b}
        colour = style.BLACK if extreme else DARK
        ax.plot([0, 1], [a, b], color=colour, lw=2.5 if extreme else 1, marker="o", ms=4)
        ax.text(-0.06, a, name, ha="right", va="center", color=colour)
        ax.text(1.06, b, name, ha="left", va="center", color=colour)
    ax.set(xlim=(-0.1, 1.1), ylim=(len(names) + 0.6, 0.4), yticks=[])
    ax.set_xticks([0, 1], [left, right])
    ax.xaxis.tick_top()
    for tick, colour in zip(ax.get_xticklabels(), (style.BLUE, style.RED), strict=True):
        tick.set_color(colour)
    bare(ax)
    return ax


def table(ax: Axes, values: Tensor, rows: list[str], columns: list[str]) -> Axes:
    """A small matrix as colours, with a key: green is high, purple is low, white is zero.

    Args:
        values: (rows, columns).
    """
    bound = float(values.abs().max())
    picture = ax.imshow(values.numpy(), cmap="PRGn", vmin=-bound, vmax=bound, aspect="auto")
    key = ax.figure.colorbar(picture, ax=ax, location="bottom", aspect=25, pad=0.03)
    key.set_ticks([-bound, 0, bound], labels=["low", "mean", "high"])
    key.ax.tick_params(length=0)
    key.outline.set_visible(False)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_xticks(range(len(columns)), columns)
    ax.xaxis.tick_top()
    bare(ax)
    return ax


def curve(ax: Axes, points: dict[float, Interval], label: str | None, colour: str, **line) -> Axes:
    """A line through means, with the intervals as a band.

    Args:
        points: x -> Interval.
        label: for the legend.
        colour: one of the house colours.
        line: passed on to `ax.plot`.
    """
    x, y = list(points), list(points.values())
    ax.plot(x, [p.mean for p in y], color=colour, label=label, marker="o", ms=4, **line)
    ax.fill_between(x, [p.low for p in y], [p.high for p in y], color=colour, alpha=0.18, lw=0)
    return ax


def dots(ax: Axes, rows: dict[str, dict[str, Interval]], colours: dict[str, str]) -> Axes:
    """One row per condition, one dot with its interval per method.

    Args:
        rows: condition -> method -> Interval; the first condition is drawn on top.
        colours: method -> colour, also the order in the legend.
    """
    for place, method in enumerate(colours):
        shift = (place - (len(colours) - 1) / 2) * 0.14
        for row, results in enumerate(rows.values()):
            if method in results:
                dot(ax, results[method], row + shift, colours[method], method if row == 0 else None)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    return ax


def dot(ax: Axes, value: Interval, height: float, colour: str, label: str | None) -> None:
    """A mean and its interval on one line."""
    ax.plot([value.low, value.high], [height, height], color=colour, lw=3, alpha=0.4)
    ax.plot(value.mean, height, "o", color=colour, ms=7, label=label)


def histogram(ax: Axes, per_user: dict[str, Tensor], bins: int = 20) -> Axes:
    """How many users are at each accuracy, as outlines; the dashed lines are the means.

    Args:
        per_user: label -> (N,) accuracies.
    """
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    for (label, values), colour in zip(per_user.items(), (DARK, style.BLUE), strict=False):
        counts = torch.histogram(values.cpu().double(), edges).hist
        ax.stairs(counts, edges, color=colour, lw=2, label=label)
        ax.axvline(values.mean(), color=colour, ls="--", lw=1.5)
    ax.plot([], [], color=style.BLACK, ls="--", lw=1.5, label="mean over users")
    ax.set_ylabel("users")
    ax.legend(loc="upper left")
    return ax


def bare(ax: Axes) -> None:
    """No grid, no frame, no tick marks: for drawings that are not charts."""
    ax.grid(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
