"""What nearness of weights promises, and what a policy gives in truth.

If |w_i - v_i| <= ε' v_i + δ' for all i, then π_w is a (2ε', 2(δ' R_max + ε' f_max))-approximation
for v (PALM, Lemma 3.2), where an (ε, δ)-approximation gives f_v(π) >= (1 - ε) f_v* - δ.

Our derivation of how many weights a grid then needs: m^{K-1} up to a factor K, with m as in
`levels`, so O(((1/ε') log(1 + ε'/δ'))^{K-1}), whatever the number of users.

Shapes: L policies, U users, K rewards.

Source: PALM (arXiv 2604.04144). The lemma's two maxima are read as its proof needs them where there
is a KL penalty; this reading is ours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.palm.coverage import excess
from lore_core.palm.levels import SLACK, check_errors
from lore_core.palm.policy import choice, optimum, tilt, values
from lore_core.tools import checks


@dataclass(frozen=True, eq=False)
class Measured:
    """Pairs of a grid weight and a user whom it covers, each with its loss and its bound.

    Args:
        grid, user: (n,) rows of the grid weights and of the users.
        loss: (n,) f_v* - f_v(π_w) in truth.
        bound: (n,) what the lemma allows: 2ε' f_v* + 2(δ' R_max + ε' f_max).
    """

    grid: Tensor
    user: Tensor
    loss: Tensor
    bound: Tensor


def lemma_bound(
    relative: float, absolute: float, reward_max: float, value_max: float
) -> tuple[float, float]:
    """(ε, δ) that Lemma 3.2 promises for a grid weight and whom it covers.

    Args:
        relative, absolute: ε' and δ' of the cell.
        reward_max: R_max, the largest Σ_k reward_k that a policy can have.
        value_max: f_max, the largest v · reward that a policy can have for any v, its cost not
            taken off.

    Returns:
        ε = 2ε' and δ = 2(δ' R_max + ε' f_max).
    """
    check_errors(relative, absolute)
    reward_max = checks.number("reward_max", reward_max)
    value_max = checks.number("value_max", value_max)
    return 2 * relative, 2 * (absolute * reward_max + relative * value_max)


def maxima(rewards: Tensor, prompt: Tensor) -> tuple[float, float]:
    """R_max and f_max on some responses: means over prompts of the best candidate's numbers.

    The largest v · reward over all v is that of a corner, since it is linear in v.

    Args:
        rewards: (M, K) from 0 to 1.
        prompt: (M,).
    """
    table = choice(rewards, prompt).rewards
    return float(table.sum(2).amax(1).mean()), float(table.amax(1).mean(0).max())


def measured(
    rewards: Tensor,
    prompt: Tensor,
    grid: Tensor,
    users: Tensor,
    relative: float,
    absolute: float,
    beta: float,
) -> Measured:
    """For every grid weight and every user in its cell: the true loss beside the lemma's bound.

    Args:
        rewards, prompt, beta: as for `policy.tilt`.
        grid: (L, K) rows on the simplex.
        users: (U, K) rows on the simplex.
        relative, absolute: ε' and δ' of the cells.
    """
    inside = torch.stack(
        [excess(one[None], users, relative, absolute) <= SLACK for one in grid.double()]
    )
    policy, user = inside.nonzero(as_tuple=True)
    best = optimum(rewards, prompt, users, beta)
    loss = best - values(tilt(rewards, prompt, grid, beta), users)
    epsilon, delta = lemma_bound(relative, absolute, *maxima(rewards, prompt))
    return Measured(
        grid=policy, user=user, loss=loss[policy, user], bound=epsilon * best[user] + delta
    )
