"""How good is a reward, how sure are we, and compared to what?

Everything is per user first; means and intervals are over users.
"""

from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from lore_core.preferences import Preferences, Responses
from lore_core.reward import LowRankReward


class Interval(NamedTuple):
    """A mean with the bounds of its interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


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
        ValueError: shapes do not fit.
    """
    preferences.check(responses)
    won = reward.margins(responses.embeddings, preferences, weights) > 0
    pairs = preferences.to(won.device)
    wins = pairs.user[won].bincount(minlength=pairs.n_users)
    return wins.to(responses.embeddings.dtype) / pairs.counts


def bootstrap(
    values: Tensor, generator: torch.Generator, level: float = 0.95, repeats: int = 1000
) -> Interval:
    """Mean over users with a percentile interval, users drawn again with replacement.

    Args:
        values: (N,) one number per user; NaN (a user without pairs) is left out.
        generator: source of the draws.
        level: share of the resampled means inside the interval.
        repeats: number of resamples.

    Returns:
        The mean, and the two bounds.

    Raises:
        ValueError: no user has a number.

    Source: Efron (1979), percentile interval.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, expected a share between 0 and 1, such as 0.95")
    values = values[~values.isnan()].double().cpu()
    if len(values) == 0:
        raise ValueError("no user has a pair, so there is nothing to average")
    draws = torch.randint(len(values), (repeats, len(values)), generator=generator)
    means = values[draws].mean(1)
    tail = (1 - level) / 2
    low, high = means.quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64))
    return Interval(float(values.mean()), float(low), float(high))


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
    n = len(weights)
    if n < 2:
        raise ValueError("the shuffled-user control needs at least two users")
    order = torch.randperm(n, generator=generator)
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
    if basis.shape != truth.shape:
        raise ValueError(f"basis has shape {tuple(basis.shape)}, truth {tuple(truth.shape)}")
    cosines = F.normalize(truth, dim=0).T @ F.normalize(basis, dim=0)
    true, found = linear_sum_assignment(cosines.cpu().numpy(), maximize=True)
    return cosines[true, found]
