"""Is a posterior as sure as it should be? Simulation-based calibration.

Users are drawn from the prior itself and answer by the model itself. Then the truth has no reason
to lie anywhere special among a posterior's points: the share of them below it is as likely to be
small as large. Shares that crowd at both ends say that the posterior is too narrow, those that
crowd in the middle that it is too wide.

Shapes: N users, n points, b answers, K basis rewards.

Source: Talts et al. (2018, arXiv 1804.06788).
"""

import torch
from torch import Tensor

from lore_core.decisions.cloud import Cloud
from lore_core.tools import checks, draws


def share_below(cloud: Cloud, truth: Tensor, direction: Tensor) -> Tensor:
    """How much of each user's cloud lies below their truth along a direction, (N,).

    Args:
        cloud: what is known of N users.
        truth: (N, K) their weights.
        direction: (K,), such as the gap of a pair.

    Raises:
        ValueError: there is not one row of truth per user.
    """
    truth = checks.simplex_rows("truth", truth).double()
    if truth.shape != (cloud.n_users, cloud.rank) or direction.shape != truth.shape[1:]:
        raise ValueError(
            f"truth {tuple(truth.shape)} and direction {tuple(direction.shape)} do not fit a cloud "
            f"of {cloud.n_users} users and {cloud.rank} basis rewards"
        )
    below = (cloud.particles @ direction.double() < truth @ direction.double()[:, None]).double()
    return (cloud.weights * below).sum(1)


def model_answers(
    truth: Tensor, gaps: Tensor, temperature: float, generator: torch.Generator
) -> Tensor:
    """Whether users of these weights prefer the first, by the model, (N,) booleans.

    Args:
        truth: (N, K).
        gaps: (N, K) of the pair that each is asked about.
        temperature: τ.
        generator: source of the answers.
    """
    checks.number("temperature", temperature, above=True)
    probability = ((gaps * truth).sum(1) / temperature).sigmoid()
    return draws.uniform(generator, len(truth)) < probability
