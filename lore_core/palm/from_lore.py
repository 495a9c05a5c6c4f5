"""From LoRe to PALM: a portfolio over a learned basis, and what is lost on the way.

Each user's policy takes the best of a prompt's candidates (β = 0) by some reward. What it is worth
is said by the user's true taste, which LoRe does not know:

    own policy, true taste        the most there is
    own policy, LoRe's weights    what estimating the taste costs
    n policies, LoRe's weights    what sharing policies costs
    one policy for everybody      what not personalising costs
    a candidate at random         the base

Shapes: M responses, K rewards, T traits, L policies, U users.
"""

import torch
from torch import Tensor

from lore_core.palm.policy import Choice
from lore_core.palm.portfolio import Portfolio
from lore_core.palm.rewards import UnitRewards, unit_rewards
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.splits import Split

BEST, OWN, BASE = "own policy, true taste", "own policy, LoRe's weights", "a candidate at random"


def learned_rewards(reward: LowRankReward, responses: Responses, prompts: Tensor) -> UnitRewards:
    """LoRe's basis as rewards from 0 to 1, scaled by some prompts and holding those alone.

    Args:
        reward: a fitted reward.
        responses: what is ranked.
        prompts: (p,) ids of the prompts, the seen ones.
    """
    rows = torch.isin(responses.prompt, prompts)
    scores = reward.basis_scores(responses.embeddings[rows])
    return unit_rewards(scores, responses.prompt[rows])


def ladder(
    reward: LowRankReward,
    responses: Responses,
    prompts: Split,
    weights: Tensor,
    tastes: Tensor,
    portfolios: dict[str, Portfolio],
) -> dict[str, Tensor]:
    """What each way to serve new users is worth to them on unseen prompts, {rung: (U,)}.

    Args:
        reward: a fitted reward, whose basis the portfolios are about.
        responses: with traits.
        prompts: `test` has the unseen ones.
        weights: (U, K) of the new users, as from `fit_weights`.
        tastes: (U, T) their true tastes.
        portfolios: by name, as from `rivals.portfolios`; users are assigned by `weights`.
    """
    rows = torch.isin(responses.prompt, prompts.test)
    prompt, traits = responses.prompt[rows], responses.known_traits[rows].double()
    scale = next(iter(portfolios.values()))
    scores = reward.basis_scores(responses.embeddings[rows])
    unit = UnitRewards.scaled(scores, prompt, scale.shift, scale.scale)
    own = unit.values, scale.unit(weights)
    shared = {
        name: given(unit.values, one.weights, traits, prompt)[one.assign(weights)]
        for name, one in portfolios.items()
    }
    found = {BEST: given(traits, tastes, traits, prompt), OWN: given(*own, traits, prompt)}
    found |= shared | {BASE: traits.mean(0).expand(len(tastes), -1)}
    return {rung: (mean * tastes).sum(1) for rung, mean in found.items()}


def given(rewards: Tensor, weights: Tensor, traits: Tensor, prompt: Tensor) -> Tensor:
    """Mean traits of what each policy gives, (L, T): the best candidate by w · r.

    Args:
        rewards: (M, K).
        weights: (L, K).
        traits: (M, T).
        prompt: (M,).
    """
    rows = Responses(rewards, prompt).candidates
    table = Choice.even(rewards[rows])
    parts = [
        torch.einsum("lpc,pct->lt", table.probabilities(some, 0.0), traits[rows]) / len(rows)
        for some in table.parts(weights)
    ]
    return torch.cat(parts)
