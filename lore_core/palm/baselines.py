"""Other ways to come to a few weights: what a portfolio is compared with.

Each gives (n, K) weights over rewards from 0 to 1; `policy.tilt` makes policies of them.

| rival | what it knows |
| --- | --- |
| one | the known users' mean |
| random, uniform | nothing |
| clusters | the known users' weights; PALM does not know them |
| everyone | each user's own weights: the ceiling |

Shapes: n policies, U users, K rewards.
"""

import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from lore_core.palm.coverage import lattice, lattice_size, random_points
from lore_core.tools import checks, draws

STARTS = 10  # of k-means; the best of them is taken
ROUNDS = 50


def one(users: Tensor) -> Tensor:
    """One policy for all: the mean user's, (1, K).

    Args:
        users: (U, K) rows on the simplex.
    """
    return checks.simplex_rows("users", users).double().mean(0, keepdim=True)


def random(n: int, n_rewards: int, generator: torch.Generator) -> Tensor:
    """Weights drawn evenly from the simplex, Dirichlet(1), (n, K).

    Args:
        n: how many.
        n_rewards: K.
        generator: source of the draws.
    """
    return random_points(n, n_rewards, generator)


def uniform(n: int, n_rewards: int, generator: torch.Generator) -> Tensor:
    """Evenly spread weights, the vertices first, (n, K).

    They are taken from the smallest lattice that has n: where it has more, first the vertices, then
    each time the lattice point that is farthest (in its nearest neighbour among those taken) from
    those taken already. The generator's order decides between points that are equally far.

    Args:
        n: how many.
        n_rewards: K.
        generator: source of the order.
    """
    checks.whole_numbers(1, n=n, n_rewards=n_rewards)
    steps = 1
    while lattice_size(n_rewards, steps) < n:
        steps += 1
    points = lattice(n_rewards, steps)
    points = points[draws.order(generator, len(points))]
    points = points[points.amax(1).argsort(descending=True, stable=True)]  # vertices first
    chosen = list(range(min(n, n_rewards)))
    while len(chosen) < n:
        far = torch.cdist(points, points[chosen], p=1).amin(1)
        chosen.append(int((far >= far.max() - 1e-9).nonzero()[0]))
    return points[chosen]


def clusters(users: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """The centres of n clusters of known users, by k-means, (n, K).

    Args:
        users: (U, K) rows on the simplex, at least n of them.
        n: how many.
        generator: source of the starts.

    Source: k-means++ (Arthur and Vassilvitskii, 2007), as SciPy has it.
    """
    users = checks.simplex_rows("users", users).double()
    if len(users) < checks.whole_number("n", n, at_least=1):
        raise ValueError(f"there are {len(users)} known users for {n} clusters; give more users")
    rng, found = draws.numpy_generator(generator), []
    for _ in range(STARTS):
        centres, _ = kmeans2(users.numpy(), n, iter=ROUNDS, minit="++", rng=rng)
        centres = torch.from_numpy(centres)
        spread = torch.cdist(users, centres).amin(1).square().sum()
        found.append((float(spread), centres))
    best = min(found, key=lambda pair: pair[0])[1].clamp(min=0)
    return best / best.sum(1, keepdim=True)


def everyone(users: Tensor) -> Tensor:
    """A policy for each user, (U, K): the ceiling.

    Args:
        users: (U, K) rows on the simplex.
    """
    return checks.simplex_rows("users", users).double()
