"""How good is a reward, and compared to what?

Everything is per user first; `intervals.py` turns users into a mean.
"""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from lore_core import checks, draws
from lore_core.preferences import Preferences, Responses, check_world
from lore_core.reward import LowRankReward


def accuracy(
    reward: LowRankReward,
    responses: Responses,
    preferences: Preferences,
    weights: Tensor | None = None,
) -> Tensor:
    """Share of each user's pairs that the reward ranks as the user did, (N,).

    Args:
        reward: basis, and the seen users' weights.
        responses: what is ranked.
        preferences: pairs of N users.
        weights: (N, K) of these users, if they are not the users of the fit.

    Returns:
        (N,); a tie is not a win, a user without pairs has NaN.

    Raises:
        ValueError: shapes do not fit, weights are not on the simplex, or a margin is not a number.
    """
    checks.kind("reward", reward, LowRankReward)
    check_world(responses, preferences)
    return share_won(reward.margins(responses.embeddings, preferences, weights), preferences)


def share_won(margins: Tensor, preferences: Preferences) -> Tensor:
    """Share of each user's pairs with a margin above zero.

    Args:
        margins: (B,).
        preferences: the B pairs.

    Returns:
        (N,); a tie is not a win, a user without pairs has NaN.

    Raises:
        ValueError: a margin is NaN: the pair is neither won nor lost.
    """
    margins = checks.tensor("margins", margins)
    if not margins.is_floating_point():
        raise ValueError(f"margins have type {margins.dtype}, expected floating-point numbers")
    checks.same_length("margins", margins, "preferences", preferences.user)
    if margins.isnan().any():
        raise ValueError(
            f"margins: {int(margins.isnan().sum())} of {len(margins)} are NaN, so these pairs are "
            "neither won nor lost; the model or its inputs are damaged, or too large"
        )
    pairs = preferences.to(margins.device)
    wins = pairs.user[margins > 0].bincount(minlength=pairs.n_users)
    return wins.to(margins.dtype) / pairs.counts


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


def alignment(basis: Tensor, truth: Tensor) -> Tensor:
    """Cosine between each true basis reward and the found one matched to it.

    The order of the columns means nothing, so they are matched to make the sum of cosines largest.

    Args:
        basis: (d, K) as found.
        truth: (d, K) as planted.

    Returns:
        (K,) cosines, in the order of the true columns.

    Raises:
        ValueError: the shapes differ.
    """
    basis, truth = checks.float_matrix("basis", basis), checks.float_matrix("truth", truth)
    if basis.shape != truth.shape:
        raise ValueError(f"basis has shape {tuple(basis.shape)}, truth {tuple(truth.shape)}")
    cosines = directions(truth).T @ directions(basis)
    true, found = linear_sum_assignment(cosines.cpu().numpy(), maximize=True)
    return cosines[true, found]


def directions(columns: Tensor) -> Tensor:
    """The columns at length one, in float64, whatever their size; a column of zeros stays."""
    columns = columns.detach().double()
    columns = columns / columns.abs().amax(0).clamp_min(torch.finfo(columns.dtype).tiny)
    return F.normalize(columns, dim=0)
