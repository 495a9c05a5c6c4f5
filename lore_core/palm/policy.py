"""Policies over the candidates of each prompt, in closed form.

A language model that is tuned for weights w, and held near a base model p0 by a KL penalty β, ends
at a known distribution. Over C candidates it can be written down:

    π_w(y|x) = p0(y|x) exp(w·r(x, y) / β) / Z_w(x)
    f_v(π)   = mean_x [ Σ_y π(y|x) v·r(x, y) - β KL(π(·|x) || p0(·|x)) ]     what it is worth to v
    f_v*     = mean_x β log Σ_y p0(y|x) exp(v·r(x, y) / β)                   the most, = f_v(π_v)
    β = 0    best of n; ties are shared

Whatever the policy, f_v is linear in v: f_v(π) = v · reward - cost. So K + 1 numbers say what a
policy is worth to everybody.

Shapes: M responses, P prompts, C candidates, K rewards, L policies, U users.

Source: PALM (arXiv 2604.04144), whose d is our K.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lore_core.palm.rewards import check_unit
from lore_core.responses import Responses
from lore_core.tools import checks

CELLS = 2**20  # probabilities held at once
TIE = 1e-12  # rewards from 0 to 1 that differ by less differ by rounding


@dataclass(frozen=True, eq=False)
class Policies:
    """L policies, by what they give on some prompts.

    Args:
        reward: (L, K) mean of each reward under each policy.
        cost: (L,) β times the mean KL from the base.
        weights: (L, K) what each policy is tuned for.
        beta: the KL penalty β.
    """

    reward: Tensor
    cost: Tensor
    weights: Tensor
    beta: float

    def __len__(self) -> int:
        return len(self.reward)

    def __getitem__(self, which: Tensor | list[int]) -> Policies:
        """Some of them, in that order."""
        reward, cost, weights = (t[which] for t in (self.reward, self.cost, self.weights))
        return replace(self, reward=reward, cost=cost, weights=weights)


@dataclass(frozen=True, eq=False)
class Choice:
    """What there is to choose from: (P, C, K) `rewards`, and the (P, C) probabilities `base`."""

    rewards: Tensor
    base: Tensor

    @classmethod
    def even(cls, rewards: Tensor) -> Choice:
        """All candidates of a prompt alike in the base."""
        return cls(rewards, torch.full_like(rewards[..., 0], 1 / rewards.shape[1]))

    def probabilities(self, weights: Tensor, beta: float) -> Tensor:
        """π_w for each row of weights, (L, P, C)."""
        scores = torch.einsum("lk,pck->lpc", weights, self.rewards)
        if beta > 0:
            return (scores / beta + self.base.log()).softmax(2)
        scores = scores.masked_fill(self.base == 0, -torch.inf)
        best = self.base * (scores >= scores.amax(2, keepdim=True) - TIE)
        return best / best.sum(2, keepdim=True)

    def summary(self, weights: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        """Reward (L, K) and cost (L,) of the policies of some weights."""
        chosen = self.probabilities(weights, beta)
        reward = torch.einsum("lpc,pck->lk", chosen, self.rewards) / len(self.rewards)
        kl = (torch.xlogy(chosen, chosen) - torch.xlogy(chosen, self.base)).sum(2).mean(1)
        return reward, beta * kl

    def optimum(self, weights: Tensor, beta: float) -> Tensor:
        """f_v* for some weights v, (U,)."""
        scores = torch.einsum("lk,pck->lpc", weights, self.rewards)
        if beta > 0:
            return beta * (scores / beta + self.base.log()).logsumexp(2).mean(1)
        return scores.masked_fill(self.base == 0, -torch.inf).amax(2).mean(1)

    def parts(self, weights: Tensor) -> Iterator[Tensor]:
        """The weights in parts for which no table grows beyond CELLS."""
        yield from weights.split(max(1, CELLS // self.base.numel()))


def tilt(
    rewards: Tensor, prompt: Tensor, weights: Tensor, beta: float, base: Tensor | None = None
) -> Policies:
    """The optimal policy for each row of weights.

    Args:
        rewards: (M, K) from 0 to 1, see `unit_rewards`.
        prompt: (M,) prompt of each response; every prompt has equally many.
        weights: (L, K) rows on the simplex.
        beta: the KL penalty β, in units of the reward; 0 for best of n.
        base: (M,) probabilities p0 that sum to one within each prompt; default all alike.

    Raises:
        ValueError: weights are off the simplex or for another K, beta is negative, prompts have
            different numbers of candidates, or `base` is no distribution.

    Source: PALM (arXiv 2604.04144); the closed form is that of KL-regularised rewards.
    """
    beta, table = checks.number("beta", beta), choice(rewards, prompt, base)
    weights = mixtures(weights, table.rewards.shape[2])
    parts = [table.summary(some, beta) for some in table.parts(weights)]
    reward, cost = (torch.cat(part) for part in zip(*parts, strict=True))
    return Policies(reward=reward, cost=cost, weights=weights, beta=beta)


def optimum(
    rewards: Tensor, prompt: Tensor, weights: Tensor, beta: float, base: Tensor | None = None
) -> Tensor:
    """f_v* of each user: the most that any policy is worth to them, (U,).

    Args and errors as for `tilt`. It is computed as a log-sum-exp, without any policy.
    """
    beta, table = checks.number("beta", beta), choice(rewards, prompt, base)
    weights = mixtures(weights, table.rewards.shape[2])
    return torch.cat([table.optimum(some, beta) for some in table.parts(weights)])


def probabilities(
    rewards: Tensor,
    prompt: Tensor,
    weights: Tensor,
    beta: float,
    prompts: Tensor | None = None,
    base: Tensor | None = None,
) -> Tensor:
    """π_w(y|x) of each policy on some prompts, (L, p, C).

    Args and errors as for `tilt`, and:
        prompts: (p,) places among the sorted prompt ids; default all. Candidates come in the order
            of their rows.
    """
    beta, table = checks.number("beta", beta), choice(rewards, prompt, base)
    if prompts is not None:
        some = checks.index_vector("prompts", prompts)
        checks.below("prompts", some, len(table.base))
        table = Choice(table.rewards[some], table.base[some])
    return table.probabilities(mixtures(weights, table.rewards.shape[2]), beta)


def values(policies: Policies, weights: Tensor) -> Tensor:
    """f_v(π) of every policy for every user, (L, U): one product, since it is linear in v.

    Args:
        policies: L of them.
        weights: (U, K) rows on the simplex.
    """
    weights = mixtures(weights, policies.reward.shape[1])
    return policies.reward @ weights.T - policies.cost[:, None]


def choice(rewards: Tensor, prompt: Tensor, base: Tensor | None = None) -> Choice:
    """Rewards and base by prompt and candidate, checked."""
    rewards = check_unit(rewards)
    rows = Responses(rewards, prompt).candidates  # says what is wrong with the prompts
    if base is None:
        return Choice.even(rewards[rows])
    base = checks.vector("base", base)
    checks.same_length("base", base, "rewards", rewards)
    by_prompt = base[rows]
    if not (base >= 0).all() or not ((by_prompt.sum(1) - 1).abs() < checks.ROUNDING).all():
        raise ValueError("base does not sum to 1 within every prompt; give probabilities")
    return Choice(rewards[rows], by_prompt / by_prompt.sum(1, keepdim=True))


def mixtures(weights: Tensor, n_rewards: int) -> Tensor:
    """Weights in float64, or a ValueError unless they are on the simplex of so many rewards."""
    weights = checks.simplex_rows("weights", weights).double()
    if weights.shape[1] != n_rewards:
        raise ValueError(
            f"weights have {weights.shape[1]} columns for {n_rewards} rewards; expected (U, K)"
        )
    return weights
