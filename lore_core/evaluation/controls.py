"""Controls: what a result has to beat before it says anything about persons."""

import torch
from torch import Tensor

from lore_core.tools import checks, draws


def other_users(weights: Tensor, generator: torch.Generator) -> Tensor:
    """Everybody gets somebody else's weights: the shuffled-user control.

    If this scores as well as a user's own weights, nothing personal was learned.

    Args:
        weights: (N, K).
        generator: source of the shuffle.

    Returns:
        (N, K), the same rows; nobody keeps their own.

    Raises:
        ValueError: there is only one user.
    """
    weights = checks.float_matrix("weights", weights)
    n = len(weights)
    if n < 2:
        raise ValueError("the shuffled-user control needs at least two users")
    order = draws.order(generator, n)
    giver = torch.empty_like(order)
    giver[order] = order.roll(1)  # one cycle through all users: nobody keeps their own
    return weights[giver.to(weights.device)]
