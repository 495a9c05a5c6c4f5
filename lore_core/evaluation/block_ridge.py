"""One ridge regression per block of items: per user, per group, or of everybody.

All blocks share one ridge, that of the least squared leave-one-out error. Levels stand on one
another: what a level leaves over on items that it has not seen, its leave-one-out residuals, is
what the next one is fitted to. They are exact and cost no second fit.

Shapes: B items, d features, p = d + 1 with the constant, C columns of targets, R ridges, k blocks
(groups, users) of at most n items each.

Source: Hoerl and Kennard (1970), ridge; Allen (1974), leave-one-out residuals in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lore_core.tools import checks, ragged

RIDGES = tuple(10 ** (step / 4) for step in range(-12, 17))  # 0.001 to 10,000
CELLS = 2**13  # items in a batch of blocks, each with p numbers


class Level(NamedTuple):
    """One ridge regression per block.

    Args:
        weights: (k, p, C); a block without items has zeros.
        ridge: penalty of a squared weight, chosen among those given.
        left_out: (B, C) residual of each item by the fit to the others of its block.
    """

    weights: Tensor
    ridge: float
    left_out: Tensor


class Part(NamedTuple):
    """Some blocks of like size: their ids, their items' places, and the spectrum of these items."""

    blocks: Tensor
    places: Tensor
    mask: Tensor
    left: Tensor  # (k, n, m) left singular vectors
    values: Tensor  # (k, m) singular values


def level(x: Tensor, y: Tensor, block: Tensor, ridges: Sequence[float] = RIDGES) -> Level:
    """One ridge regression per block, all with the ridge of least leave-one-out error.

    Args:
        x: (B, p) features.
        y: (B, C) targets.
        block: (B,) ids.
        ridges: R penalties to choose from.
    """
    checks.rising("ridges", tuple(ridges))
    checks.number("ridges[0]", ridges[0], above=True)
    k = int(block.max()) + 1
    parts = [
        Part(*found, *spectrum(x[found[1]] * found[2][..., None]))
        for found in ragged.rectangles(block, k, CELLS)
    ]
    errors = torch.stack([squared_error(parts, y, ridge) for ridge in ridges])
    ridge = float(ridges[int(errors.argmin())])
    weights, left_out = x.new_zeros(k, x.shape[1], y.shape[1]), torch.empty_like(y)
    for part in parts:
        dual, residual = solved(part, y, ridge)
        inside = x[part.places] * part.mask[..., None]
        weights[part.blocks] = inside.mT @ dual
        left_out[part.places[part.mask]] = residual[part.mask]
    return Level(weights, ridge, left_out)


def spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors (k, n, m) and singular values (k, m) of tables (k, n, p)."""
    left, values, _ = torch.linalg.svd(x, full_matrices=False)
    return left, values


def squared_error(parts: Sequence[Part], y: Tensor, ridge: float) -> Tensor:
    """The sum of squared leave-one-out residuals over all blocks."""
    return torch.stack([solved(part, y, ridge)[1].square().sum() for part in parts]).sum()


def solved(part: Part, y: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Dual weights (k, n, C), of which xᵀ makes the weights, and leave-one-out residuals.

    A residual without its own item is (y - ŷ) / (1 - h), h the item's own share in its ŷ.
    """
    wanted = y[part.places] * part.mask[..., None]
    squares = part.values.square()[:, None]
    inner = part.left.mT @ wanted
    dual = part.left @ (inner / (squares + ridge).mT)
    shrunk = squares / (squares + ridge)
    fitted = part.left @ (shrunk.mT * inner)
    share = (part.left.square() * shrunk).sum(-1, keepdim=True)
    return dual, (wanted - fitted) / (1 - share)


def predict(x: Tensor, levels: Sequence[Level], blocks: Sequence[Tensor]) -> Tensor:
    """The sum of the levels, (B, C); a block that no item was of adds nothing.

    Args:
        x: (B, p) features.
        levels: one or more, fitted on top of one another.
        blocks: for each level the block that each item belongs to, (B,).
    """
    total = x.new_zeros(len(x), levels[0].weights.shape[2])
    for one, block in zip(levels, blocks, strict=True):
        known = (block < len(one.weights)).nonzero().flatten()
        for some in known.split(CELLS):
            total[some] += torch.einsum("bp,bpc->bc", x[some], one.weights[block[some]])
    return total


def features(state: Tensor, train: Tensor) -> Tensor:
    """States in their standard deviations over √d, and a constant 1: (B, d + 1) in float64.

    So an item's features have a squared length of about 2, whatever the states' scale.

    Args:
        state: (B, d).
        train: (B,) items whose mean and standard deviation are taken.
    """
    rows = state.double()
    sd = rows[train].std(0, correction=0)
    z = (rows - rows[train].mean(0)) / torch.where(sd > 0, sd, 1.0) / state.shape[1] ** 0.5
    return torch.cat([z, z.new_ones(len(z), 1)], dim=1)
