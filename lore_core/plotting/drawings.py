"""Drawings that are not charts: users on a triangle, and the same responses in two orders.

Shapes: N users, C candidates of one prompt.
"""

from matplotlib.axes import Axes
from torch import Tensor

from lore_core.plotting import triangle
from lore_core.tools.palette import BLACK, GREY


def simplex(
    ax: Axes,
    weights: Tensor,
    corners: list[str],
    colour: str = GREY,
    marked: dict[str, int] | None = None,
) -> Axes:
    """Users on the triangle: each corner is one pure taste, the middle is all three alike.

    Args:
        weights: (N, 3), rows on the simplex.
        corners: names of the three columns.
        colour: of the users.
        marked: label -> row, for users to point out.
    """
    triangle.outline(ax, corners)
    triangle.scatter(ax, weights, color=colour)
    for label, row in (marked or {}).items():
        [(x, y)] = triangle.places(weights[row : row + 1])
        ax.scatter(x, y, s=90, color=BLACK, edgecolor="white", lw=1.5, zorder=3)
        side, away = ("left", 0.06) if x > 0.5 else ("right", -0.06)
        ax.text(x + away, y, label, ha=side, va="center", weight="bold")
    return ax


def rankings(ax: Axes, scores: dict[str, Tensor], names: list[str]) -> Axes:
    """The same responses in two orders, best on top; a line crosses where the users disagree.

    Args:
        scores: label of a user -> (C,) rewards, two users.
        names: C names of the responses.
    """
    ranks = [((-s).argsort().argsort() + 1).tolist() for s in scores.values()]
    for a, b, name in zip(*ranks, names, strict=True):
        extreme = {1, len(names)} & {a, b}
        colour = BLACK if extreme else GREY
        ax.plot([0, 1], [a, b], lw=2.5 if extreme else 1, marker="o", ms=4, color=colour)
        ax.text(-0.06, a, name, ha="right", va="center", color=colour)
        ax.text(1.06, b, name, ha="left", va="center", color=colour)
    ax.set(xlim=(-0.1, 1.1), ylim=(len(names) + 0.6, 0.4), yticks=[])
    ax.set_xticks([0, 1], list(scores), weight="bold")
    ax.xaxis.tick_top()
    ax.grid(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax
