"""PALM and its rivals on traits, all sizes: chosen on seen prompts, measured on unseen ones.

Whoever is served is new: weights spread evenly over the simplex say what the worst-served user
misses, a crowd that is like the known users says what is missed on average.

Shapes: M responses, K rewards, U users.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from lore_core.palm import baselines
from lore_core.palm.algorithm import candidates
from lore_core.palm.coverage import random_points
from lore_core.palm.portfolio import Portfolio, Served
from lore_core.palm.prune import up_to
from lore_core.palm.rewards import UnitRewards, unit_rewards
from lore_core.palm.rivals import PALM, RANDOM, without_palm
from lore_core.responses import Responses
from lore_core.simulation.tastes import dirichlet_tastes
from lore_core.splits import study_prompts
from lore_core.tools import checks, draws

N_KNOWN, N_NEW = 300, 2000  # users
CONCENTRATION = 0.5  # of the known users and of the crowd


class World(NamedTuple):
    """Rewards of `seen` and `unseen` prompts; `known` users, and new ones.

    Args:
        seen, unseen: rewards of the prompts on which to choose, and to measure.
        known: (300, K) a crowd.
        new: (U, K) weights spread evenly over the simplex, its corners among them, and then
        crowd: as many users like the known ones.
    """

    seen: UnitRewards
    unseen: UnitRewards
    known: Tensor
    new: Tensor
    crowd: Tensor


def trait_rewards(
    responses: Responses, names: Sequence[str], seed: int
) -> tuple[UnitRewards, UnitRewards]:
    """Some traits as rewards from 0 to 1, of seen prompts and of unseen ones.

    Args:
        responses: with traits.
        names: of K traits.
        seed: of the split of the prompts, 60 % seen and 30 % unseen.

    Raises:
        ValueError: a name is not among the traits', or a trait does not vary.
    """
    for name in names:
        checks.one_of("trait", name, responses.trait_names)
    columns = [responses.trait_names.index(name) for name in names]
    raw, prompts = (
        responses.known_traits[:, columns],
        study_prompts(responses, draws.generator(seed)),
    )
    seen, unseen = (torch.isin(responses.prompt, part) for part in (prompts.train, prompts.test))
    found = unit_rewards(raw[seen], responses.prompt[seen], names=names)
    return found.plain, found.again(raw[unseen], responses.prompt[unseen]).plain


def world(responses: Responses, names: Sequence[str], seed: int) -> World:
    """A split of the prompts, and users; args and errors as for `trait_rewards`."""
    seen, unseen = trait_rewards(responses, names, seed)
    draw, n_rewards = draws.generator(seed), len(names)
    corners = torch.eye(n_rewards, dtype=torch.float64)
    return World(
        seen=seen,
        unseen=unseen,
        known=dirichlet_tastes(N_KNOWN, n_rewards, CONCENTRATION, draw),
        new=torch.cat([random_points(N_NEW, n_rewards, draw), corners]),
        crowd=dirichlet_tastes(N_NEW, n_rewards, CONCENTRATION, draw),
    )


def compare(
    given: World,
    sizes: Sequence[int],
    generator: torch.Generator,
    beta: float = 0.0,
    grid: Tensor | None = None,
    n_random: int = 5,
) -> pd.DataFrame:
    """What each method's portfolios miss: a row for each size, method and draw.

    Args:
        given: rewards and users.
        sizes: numbers of policies.
        generator: source of the draws.
        beta: the KL penalty β.
        grid: for PALM, as in `palm`.
        n_random: draws of the random weights.

    Returns:
        Columns policies, method, draw; worst_gap and mean_gap, relative, of new users; worst_lost,
        the largest share of the possible gain; and crowd_lost, the crowd's, lost over possible.
    """
    found, possible = [], what_is_possible(given, beta)
    palms = up_to(*candidates(given.seen, beta, grid=grid), max(sizes))
    for n in sizes:
        made = without_palm(given.seen, n, given.known, generator, beta)
        made[PALM] = palms[min(n, len(palms)) - 1]
        drawn = [made.pop(RANDOM)]
        for _ in range(n_random - 1):
            weights = baselines.random(n, len(given.seen.scale), generator)
            drawn.append(Portfolio.tuned(given.seen, weights, beta))
        named = [(method, 0, one) for method, one in made.items()]
        named += [(RANDOM, draw, one) for draw, one in enumerate(drawn)]
        for method, draw, one in named:
            about = {"policies": n, "method": method, "draw": draw}
            found.append(about | missed(given, possible, one))
    return pd.DataFrame(found)


def what_is_possible(given: World, beta: float) -> Served:
    """What one policy for all gives new users and the crowd, with what they could have got."""
    one = Portfolio.tuned(given.seen, baselines.one(given.known), beta)
    return one.serve(everybody(given), given.unseen.values, given.unseen.prompt)


def everybody(given: World) -> Tensor:
    """The new users, and then the crowd."""
    return torch.cat([given.new, given.crowd])


def missed(given: World, possible: Served, portfolio: Portfolio) -> dict[str, float]:
    """What one portfolio misses on unseen prompts."""
    got = portfolio.got(everybody(given), given.unseen.values, given.unseen.prompt)
    parts = zip(*(t.split(len(given.new)) for t in possible._replace(got=got)), strict=True)
    served, crowd = (Served(*part) for part in parts)
    return {
        "worst_gap": float(served.relative.max()),
        "mean_gap": float(served.relative.mean()),
        "worst_lost": float(served.share.max()),
        "crowd_lost": float(crowd.absolute.mean() / (crowd.best - crowd.base).mean()),
    }
