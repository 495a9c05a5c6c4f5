"""Portfolios in full: PALM and its rivals in several settings, and the ladder from LoRe to PALM.

`make figures` computes figures/portfolio.csv and figures/ladder.csv with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from torch import Tensor

from lore_core.evaluation.bootstrap import share
from lore_core.evaluation.synthetic import draw_study
from lore_core.few_shot import fit_weights
from lore_core.fit import fit_basis
from lore_core.palm import baselines, from_lore
from lore_core.palm.algorithm import ABSOLUTE, RELATIVE
from lore_core.palm.comparison import compare, world
from lore_core.palm.coverage import random_points
from lore_core.palm.grids import covering_grid, lazy_grid, paper_grid
from lore_core.palm.portfolio import Portfolio
from lore_core.palm.rewards import rescaled
from lore_core.palm.rivals import portfolios
from lore_core.responses import Responses
from lore_core.tools import checks, draws

SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
SPLITS, SEEDS = range(10), range(5)
MEASURED = ["worst_gap", "mean_gap", "worst_lost", "crowd_lost"]
ENDS = 0.1, 0.9  # the middle 80 % of splits and draws
THREE = ("brevity", "lists", "judge")
FIVE = ("judge", "brevity", "lists", "caution", "figures")
N_LAZY = 500  # weights, evenly spread, that the grid of ten rewards has to cover
N, N_NEW = 5, 10_000  # policies, and new users, of the ladder
ONE, KNOWN = "one policy for everybody", "own policy, LoRe, 100 pairs"


@dataclass(frozen=True)
class Setting:
    """What is compared: which traits are rewards, the KL penalty, and PALM's grid."""

    traits: tuple[str, ...]
    beta: float
    grid: Callable[[int], Tensor]


def covering(n_rewards: int) -> Tensor:
    """The grid that leaves nobody out."""
    return covering_grid(n_rewards, RELATIVE, ABSOLUTE)


def papers(n_rewards: int) -> Tensor:
    """The paper's grid, which leaves gaps."""
    return paper_grid(n_rewards, RELATIVE, ABSOLUTE)


def lazy(n_rewards: int) -> Tensor:
    """Of the covering grid what covers some evenly spread weights."""
    return lazy_grid(random_points(N_LAZY, n_rewards, draws.generator(0)), RELATIVE, ABSOLUTE)


def settings(responses: Responses) -> dict[str, Setting]:
    """What figures/portfolio.csv compares, by name."""
    return {
        "three rewards": Setting(THREE, 0.0, covering),
        "three rewards, beta 0.05": Setting(THREE, 0.05, covering),
        "three rewards, beta 0.5": Setting(THREE, 0.5, covering),
        "three rewards, the paper's grid": Setting(THREE, 0.0, papers),
        "five rewards": Setting(FIVE, 0.0, papers),
        "ten rewards": Setting(responses.trait_names, 0.0, lazy),
    }


def measured(
    responses: Responses,
    setting: Setting,
    splits: Sequence[int] = SPLITS,
    sizes: Sequence[int] = SIZES,
) -> pd.DataFrame:
    """The rows of one setting: for each size and method a mean, and the middle 80 %.

    Args:
        responses: with traits.
        setting: what is compared.
        splits: seeds of the splits of prompts, and of the users.
        sizes: numbers of policies.

    Returns:
        Columns policies, method, splits, draws, grid, and for each of MEASURED the mean, low and
        high over splits and draws.
    """
    grid = setting.grid(len(setting.traits))
    runs = [
        compare(
            world(responses, setting.traits, split),
            sizes,
            draws.generator(split),
            setting.beta,
            grid,
        )
        for split in splits
    ]
    return summary(pd.concat(runs)).assign(splits=len(splits), grid=len(grid))


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Means, and the ends of the middle 80 %, over splits and draws."""
    by = runs.groupby(["policies", "method"])[MEASURED]
    columns = {"mean": by.mean(), "low": by.quantile(ENDS[0]), "high": by.quantile(ENDS[1])}
    found = pd.concat(columns, axis=1).swaplevel(axis=1)
    found.columns = ["_".join(pair) for pair in found.columns.to_list()]
    ordered = [f"{name}_{end}" for name in MEASURED for end in columns]
    return found[ordered].assign(draws=by.size()).reset_index()


def climbed(
    responses: Responses, seed: int, n_new: int = N_NEW, n_shots: int = 9, rank: int = 5
) -> dict[str, Tensor]:
    """The ladder of one seed: what each way to serve new users is worth to them, {rung: (U,)}.

    Args:
        responses: with traits.
        seed: of the crowd, the split and all draws.
        n_new: new users.
        n_shots: pairs from which each of them is known.
        rank: K of LoRe's basis.
    """
    sizes: dict[str, Any] = dict(n_seen=300, n_unseen=n_new, n_pairs=47, n_tests=1)
    study = draw_study(responses, 0.1, n_shots=n_shots, seed=seed, **sizes)
    fit = fit_basis(responses, study.train, rank, validation=study.validation, seed=seed)
    reward, prompts = fit.reward, study.prompts
    rewards = from_lore.learned_rewards(reward, responses, prompts.train)
    made = portfolios(rewards, N, reward.weights, draws.generator(seed), grid=papers(rank))
    named = {f"{N} policies: {name}": one for name, one in made.items()}
    mean_user = baselines.one(rescaled(reward.weights, rewards.scale))
    named[ONE] = Portfolio.tuned(rewards, mean_user, 0.0)
    weights = fit_weights(reward, responses, study.shots)
    tastes = checks.tensor("tastes", study.tastes)[study.users.test]
    return from_lore.ladder(reward, responses, prompts, weights, tastes, named)


def ladder(responses: Responses, seeds: Sequence[int] = SEEDS, n_new: int = N_NEW) -> pd.DataFrame:
    """The rungs over several seeds: shares of the possible gain, with intervals and spread.

    Args:
        responses: with traits.
        seeds: of the crowds.
        n_new: new users; a tenth as many, of the same crowds, give a hundred pairs.
    """
    few = [climbed(responses, seed, n_new) for seed in seeds]
    many = [climbed(responses, seed, n_new // 10, n_shots=100) for seed in seeds]
    rows = [{"rung": rung} | gained(few, rung) for rung in few[0]]
    return pd.DataFrame([*rows, {"rung": KNOWN} | gained(many, from_lore.OWN)])


def gained(found: Sequence[dict[str, Tensor]], rung: str) -> dict[str, float]:
    """The share of the possible gain on one rung, from the worths of several seeds."""
    parts = [seed[rung] - seed[from_lore.BASE] for seed in found]
    possible = [seed[from_lore.BEST] - seed[from_lore.BASE] for seed in found]
    each = [float(got.mean() / most.mean()) for got, most in zip(parts, possible, strict=True)]
    spread = {"lowest_seed": min(each), "highest_seed": max(each), "seeds": len(each)}
    return share(parts, possible, draws.generator(0))._asdict() | spread
