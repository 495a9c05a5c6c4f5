"""Principal angles between two subspaces: how near their directions come to each other.

Shapes: r and q orthonormal rows of d features.

Source: Björck and Golub (1973).
"""

from __future__ import annotations

import torch
from torch import Tensor

from lore_core.tools import checks


def angles(one: Tensor, other: Tensor) -> Tensor:
    """The principal angles in degrees, ascending, (min(r, q),).

    Args:
        one: (r, d) orthonormal rows.
        other: (q, d) likewise.

    Raises:
        ValueError: rows are of different length, not finite, or not orthonormal within 1e-3.
    """
    rows = [checks.float_matrix(name, x).double() for name, x in (("one", one), ("other", other))]
    if rows[0].shape[1] != rows[1].shape[1]:
        raise ValueError(
            f"one has {rows[0].shape[1]} features and other {rows[1].shape[1]}, expected as many"
        )
    for name, some in zip(("one", "other"), rows, strict=True):
        if (some @ some.T - torch.eye(len(some), dtype=some.dtype)).abs().max() > 1e-3:
            raise ValueError(f"the rows of {name} are not orthonormal; take `orthonormal({name})`")
    return torch.linalg.svdvals(rows[0] @ rows[1].T).clamp(max=1).acos().rad2deg()
