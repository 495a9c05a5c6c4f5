"""Whose texts are being read: one object that all adapted layers share.

Shapes: n texts, t tokens of each.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.tasks.known import known


@dataclass(eq=False)
class Who:
    """What the adapted layers have to know of a batch, beside its hidden states.

    Args:
        user: (n,) int64, whose each text is.
        counted: (n, t) bool, which tokens count in the penalty; None for all.
        source: of the masks of dropout.
        rows: (n,) which items these are, where layers keep W0 x of all items.
    """

    user: Tensor | None = None
    counted: Tensor | None = None
    source: torch.Generator | None = None
    rows: Tensor | None = None


def rows(table: Tensor, user: Tensor | None, n: int) -> Tensor:
    """The row of each text's user, (n, ...), from a table (n_users, ...); raises as `known`."""
    return table.index_select(0, known(user, len(table), n).to(table.device))


def for_tokens(values: Tensor, x: Tensor) -> Tensor:
    """What holds for a text, (n, M), for each of its tokens: (n, M) or (n, t, M), as x is."""
    between = [1] * (x.ndim - 2)
    return values.view(len(values), *between, -1).expand(*x.shape[:-1], -1)
