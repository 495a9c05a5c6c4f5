"""Where adapters start: directions of a layer's input in which users differ.

The input of an MLP is nearly constant: most of its energy is one direction, the same for all
items. A random A reads mostly that, and its update is the same for all of a user's items. An
informed A reads what is left. Only what users said in training is used.

Shapes: n items, i features of a layer's input, N users, r directions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lore_core.tools.ragged import rows_of


def directions(inputs: Tensor, residual: Tensor, user: Tensor, n_users: int, r: int) -> Tensor:
    """The leading directions of the users' ridge regressions, as rows of an A, (r, i).

    Each has standard deviation 1 over the items, and is orthogonal to the mean input.

    Args:
        inputs: (n, i) what the layer reads.
        residual: (n, c) what is still to be explained of each item.
        user: (n,) whose.
        n_users: N.
        r: directions.
    """
    centre = inputs.mean(0)
    centred = without(inputs - centre, centre)
    wishes = [user_wish(centred[rows], residual[rows]) for rows in rows_of(user, n_users)]
    _, _, rows = torch.linalg.svd(torch.cat(wishes), full_matrices=False)
    rows = torch.nn.functional.pad(rows[:r], (0, 0, 0, max(0, r - len(rows))))
    return rows / (centred @ rows.T).std(0).clamp(min=1e-6)[:, None]


def user_wish(inputs: Tensor, residual: Tensor) -> Tensor:
    """One user's ridge regression, (c, i); the ridge is a typical item's energy."""
    if len(inputs) == 0:
        return inputs.new_zeros(residual.shape[1], inputs.shape[1])
    gram = inputs @ inputs.T
    gram.diagonal().add_(gram.diagonal().mean() + 1e-6)
    return torch.linalg.solve(gram, residual).T @ inputs


def without(inputs: Tensor, direction: Tensor) -> Tensor:
    """The inputs without their part along one direction."""
    unit = direction / direction.norm().clamp(min=1e-12)
    return inputs - (inputs @ unit)[:, None] * unit
