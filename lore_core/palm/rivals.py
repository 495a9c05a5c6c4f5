"""PALM beside its rivals: portfolios of one size, made on the same prompts.

Shapes: N known users, K rewards, n policies.
"""

import torch
from torch import Tensor

from lore_core.palm import baselines
from lore_core.palm.algorithm import palm
from lore_core.palm.portfolio import Portfolio
from lore_core.palm.rewards import UnitRewards, rescaled

PALM, CLUSTERS, UNIFORM, RANDOM = "PALM", "clusters", "uniform", "random"


def portfolios(
    rewards: UnitRewards,
    n: int,
    known: Tensor,
    generator: torch.Generator,
    beta: float = 0.0,
    grid: Tensor | None = None,
) -> dict[str, Portfolio]:
    """A portfolio of n policies by each way to choose them, {name: portfolio}.

    Args:
        rewards: of the prompts on which to choose.
        n: policies.
        known: (N, K) weights of known users, before the rewards were scaled. Only the clusters look
            at them.
        generator: source of the draws.
        beta: the KL penalty β.
        grid: for PALM, as in `palm`.
    """
    others = without_palm(rewards, n, known, generator, beta)
    return {PALM: palm(rewards, n=n, beta=beta, grid=grid)} | others


def without_palm(
    rewards: UnitRewards, n: int, known: Tensor, generator: torch.Generator, beta: float = 0.0
) -> dict[str, Portfolio]:
    """The rivals alone; args as for `portfolios`."""
    n_rewards = len(rewards.scale)
    weights = {
        CLUSTERS: baselines.clusters(rescaled(known, rewards.scale), n, generator),
        UNIFORM: baselines.uniform(n, n_rewards, generator),
        RANDOM: baselines.random(n, n_rewards, generator),
    }
    return {name: Portfolio.tuned(rewards, some, beta) for name, some in weights.items()}
