"""Where R starts: at random, where users' fitted shifts lie, or where labels part.

Shapes: r rows, d features of a state, N users, L labels.

PerFit (ICLR 2026) does not say where its users' R starts, only that they share it; a reviewer
asked. So these are options.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lore_core.perfit.orthonormal import at_most_wide, orthonormal
from lore_core.tools import checks, draws

STARTS = ("random", "labels")
USER_STARTS = ("random", "labels", "shared")


def random(source: torch.Generator, r: int, d: int) -> Tensor:
    """r orthonormal rows that point anywhere, (r, d).

    Raises:
        ValueError: r is larger than d.
    """
    at_most_wide(r, d)
    return orthonormal(draws.normal(source, r, d)).float()


def from_shared(shifts: Tensor, r: int) -> Tensor:
    """The leading right singular vectors of seen users' fitted shifts, (r, d).

    Args:
        shifts: (N, d) how far each user's φ_u moves this user's states, in the mean.
        r: rows.

    Raises:
        ValueError: there are fewer users than rows, or their shifts span fewer directions.
    """
    shifts = checks.float_matrix("shifts", shifts)
    at_most_wide(checks.whole_number("r", r, at_least=1), shifts.shape[1])
    if len(shifts) < r:
        raise ValueError(
            f"rank is {r}, but there are {len(shifts)} users, who span at most as many directions; "
            'choose a smaller rank, or start at "random"'
        )
    _, sizes, rows = torch.linalg.svd(shifts.double(), full_matrices=False)
    if sizes[r - 1] <= 1e-6 * sizes[0]:
        raise ValueError(
            f"rank is {r}, but the users' shifts span only {int((sizes > 1e-6 * sizes[0]).sum())} "
            'directions; train them longer, choose a smaller rank, or start at "random"'
        )
    return rows[:r].to(torch.float32)


def labels(net: nn.Module, r: int, source: torch.Generator) -> Tensor:
    """The directions of the state that part the labels, (r, d).

    They are the right singular vectors of the head's rows of the labels, less their mean, as seen
    through the final norm. There are L − 1 of them; further rows are drawn at random.

    Args:
        net: a tail, with `head` and `final_norm`.
        r: rows.
        source: of further rows.

    Raises:
        ValueError: the network has no head of labels, or r is larger than d.
    """
    head, norm = (getattr(net, name, None) for name in ("head", "final_norm"))
    if head is None or norm is None:
        raise ValueError(
            f'start is "labels", but {type(net).__name__} has no head of labels; start at "random"'
        )
    seen = (head.weight * norm.weight).double()
    at_most_wide(r, seen.shape[1])
    parting = torch.linalg.svd(seen - seen.mean(0), full_matrices=False).Vh[: len(seen) - 1]
    more = draws.normal(source, r, seen.shape[1])
    return orthonormal(torch.cat([parting, more])[:r]).float()
