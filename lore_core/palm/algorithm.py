"""PALM from end to end: a grid of weights, a policy for each, and as few of them as do.

Source: PALM (arXiv 2604.04144), with policies over candidates in the place of trained models.
"""

from dataclasses import replace

from torch import Tensor

from lore_core.palm.grids import covering_grid
from lore_core.palm.policy import Policies, optimum, tilt
from lore_core.palm.portfolio import Portfolio
from lore_core.palm.prune import Targets, of_size, smallest
from lore_core.palm.rewards import UnitRewards

RELATIVE, ABSOLUTE = 2 / 5, 1 / 80  # ε' and δ' of the paper's Figure 1
LIMIT = 5_000  # policies; each is tried on the weights of all others


def palm(
    rewards: UnitRewards,
    n: int | None = None,
    epsilon: float | None = None,
    delta: float = 0.0,
    beta: float = 0.0,
    relative: float = RELATIVE,
    absolute: float = ABSOLUTE,
    grid: Tensor | None = None,
) -> Portfolio:
    """A portfolio for everybody, known or not: n policies, or as few as are within ε.

    Args:
        rewards: of the prompts on which to choose, see `unit_rewards`.
        n: how many policies; or else
        epsilon: the relative gap ε that nobody's policy may exceed.
        delta: the absolute error δ that is forgiven.
        beta: the KL penalty β; 0 for best of n.
        relative, absolute: ε' and δ' of the grid.
        grid: (L, K) weights of your own, for many rewards a `lazy_grid` or the `paper_grid`, which
            leaves gaps; default `covering_grid`.

    Raises:
        ValueError: not exactly one of `n` and `epsilon` is given, no policy is within ε for some
            weights, or the grid would be too large.
    """
    if (n is None) == (epsilon is None):
        raise ValueError(f"n is {n!r} and epsilon is {epsilon!r}, expected exactly one of the two")
    policies, targets = candidates(rewards, beta, relative, absolute, grid)
    if n is not None:
        found = of_size(policies, targets, n, delta)
    elif epsilon is not None:
        found = smallest(policies, targets, epsilon, delta)
    return replace(found, shift=rewards.shift, scale=rewards.scale)


def candidates(
    rewards: UnitRewards,
    beta: float,
    relative: float = RELATIVE,
    absolute: float = ABSOLUTE,
    grid: Tensor | None = None,
) -> tuple[Policies, Targets]:
    """A policy for each grid weight, and the grid weights as those who are to be served."""
    values, prompt, n_rewards = rewards.values, rewards.prompt, rewards.values.shape[1]
    grid = covering_grid(n_rewards, relative, absolute, LIMIT) if grid is None else grid
    policies = tilt(values, prompt, grid, beta)
    return policies, Targets(policies.weights, optimum(values, prompt, grid, beta))
