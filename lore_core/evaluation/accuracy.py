"""How good is a reward, and compared to what?

Everything is per user first; `intervals.py` turns users into a mean.
"""

from torch import Tensor

from lore_core.preferences import Preferences, check_world
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.tools import checks


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
