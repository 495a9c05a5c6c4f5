"""The triangle of all weights on three things: each corner is one of them alone.

Shapes: n points.
"""

from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor

from lore_core.tools.palette import BLACK, GREY

CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]], dtype=torch.float64)


def places(weights: Tensor) -> Tensor:
    """Where weights lie in the picture, (n, 2).

    Args:
        weights: (n, 3), rows on the simplex.
    """
    return weights.double() @ CORNERS


def outline(ax: Axes, corners: list[str]) -> Axes:
    """The empty triangle with its corners named, and nothing else of the axes.

    Args:
        corners: names of the three columns: left, right, top.
    """
    ax.plot(*CORNERS[[0, 1, 2, 0]].T, color=BLACK, lw=1)
    for name, (x, y), side in zip(corners, CORNERS, ("top", "top", "bottom"), strict=True):
        ax.text(x, y + (0.04 if side == "bottom" else -0.05), name, ha="center", va=side)
    ax.set(xlim=(-0.2, 1.2), ylim=(-0.15, 1.0), aspect="equal")
    ax.axis("off")
    return ax


def scatter(ax: Axes, weights: Tensor, **look: Any) -> Axes:
    """Points on the triangle.

    Args:
        weights: (n, 3), rows on the simplex.
        look: of the points, as in `Axes.scatter`.
    """
    usual: dict[str, Any] = {"s": 20, "color": GREY, "alpha": 0.4, "lw": 0}
    ax.scatter(*places(weights).T, **usual | look)
    return ax
