"""Whose texts are being read: one object that all adapted layers share.

Shapes: n texts, t tokens of each.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(eq=False)
class Who:
    """What the adapted layers have to know of a batch, beside its hidden states.

    Args:
        user: (n,) int64, whose each text is.
        counted: (n, t) bool, which tokens count in the penalty; None for all.
        source: of the masks of dropout.
    """

    user: Tensor | None = None
    counted: Tensor | None = None
    source: torch.Generator | None = None


def rows(table: Tensor, user: Tensor | None, n: int) -> Tensor:
    """The row of each text's user.

    Args:
        table: (n_users, ...).
        user: (n,) int64.
        n: texts in the batch.

    Returns:
        (n, ...).

    Raises:
        ValueError: no users were set, their number is another one, or one is unknown.
    """
    if user is None:
        raise ValueError("the layers do not know whose texts these are; set `who.user` first")
    if user.shape != (n,):
        raise ValueError(
            f"who.user has shape {tuple(user.shape)}, but the batch has {n} texts; expected ({n},)"
        )
    unknown = user[(user < 0) | (user >= len(table))]
    if len(unknown):
        raise ValueError(
            f"user {int(unknown[0])} is unknown: there are {len(table)} (0 to {len(table) - 1}). "
            "A new user is adapted first, on items of its own: see `adapt`"
        )
    return table.index_select(0, user.to(table.device))


def for_tokens(values: Tensor, x: Tensor) -> Tensor:
    """What holds for a text, (n, M), for each of its tokens: (n, M) or (n, t, M), as x is."""
    between = [1] * (x.ndim - 2)
    return values.view(len(values), *between, -1).expand(*x.shape[:-1], -1)
