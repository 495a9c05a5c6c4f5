"""How many of a user's pairs are ranked as the user ranked them."""

from typing import Protocol

from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.responses import Responses


class Reward(Protocol):
    """What has margins: a `LowRankReward`, and every method's model."""

    def margins(
        self, responses: Responses, pairs: Preferences, personal: Tensor | None = None, /
    ) -> Tensor:
        """r_u(chosen) - r_u(rejected), (B,)."""


def accuracy(
    reward: Reward,
    responses: Responses,
    preferences: Preferences,
    weights: Tensor | None = None,
) -> Tensor:
    """Share of each user's pairs that the reward ranks as the user did, (N,).

    Args:
        reward: a `LowRankReward`, or the model of any method.
        responses: what is ranked.
        preferences: pairs of N users.
        weights: (N, p) what is known of these users, if they are not the users of the fit:
            weights (N, K), or what a model's `adapt` returned.

    Returns:
        (N,); a tie is not a win, a user without pairs has NaN.

    Raises:
        ValueError: shapes do not fit, weights are not on the simplex, or a margin is not a number.
    """
    if not callable(getattr(reward, "margins", None)):
        raise ValueError(
            f"reward is a {type(reward).__name__}, expected a LowRankReward or a method's model; "
            "are the arguments in their order?"
        )
    margins = reward.margins(responses, preferences, weights)  # checks responses and preferences
    return preferences.share_won(margins)
