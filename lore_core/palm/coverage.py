"""Whom does a grid cover, and who lies farthest outside?

Grid weights w cover v if |w_i - v_i| <= ε' v_i + δ' for all i. The excess of v is by how much the
nearest grid weight fails that, in its worst coordinate; up to 0, v is covered.

Shapes: G grid weights, U users, K rewards.
"""

from itertools import combinations
from math import comb

import torch
from torch import Tensor

from lore_core.palm.levels import SLACK, check_errors
from lore_core.tools import checks, draws

CELLS = 2**22  # errors held at once
STEPS = 100  # on each side of the lattice on which the worst point is sought
TRIES = 20_000  # random points, where a lattice would be too large


def uncovered(grid: Tensor, points: Tensor, relative: float, absolute: float) -> Tensor:
    """Which points no grid weight covers, (U,) bool.

    Args:
        grid: (G, K) rows on the simplex.
        points: (U, K) rows on the simplex.
        relative, absolute: the errors ε' in (0, 1) and δ' above 0.

    Raises:
        ValueError: rows are off the simplex, or an error is out of range.
    """
    return excess(grid, points, relative, absolute) > SLACK


def worst_cell(
    grid: Tensor,
    relative: float,
    absolute: float,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, float]:
    """The point farthest outside all cells, (K,), and its excess; up to 0 it is covered.

    It is sought on a lattice for K up to 3, and among random points for more.

    Args:
        grid, relative, absolute: as for `uncovered`.
        generator: source of the random points, needed for K > 3.
    """
    n_rewards = checks.float_matrix("grid", grid).shape[1]
    if n_rewards <= 3:
        points = lattice(n_rewards, STEPS)
    else:
        if generator is None:
            raise ValueError(f"generator is None, but {n_rewards} rewards need random points")
        points = random_points(TRIES, n_rewards, generator)
    found = excess(grid, points, relative, absolute)
    return points[found.argmax()], float(found.max())


def excess(grid: Tensor, points: Tensor, relative: float, absolute: float) -> Tensor:
    """By how much the nearest grid weight fails to cover each point, (U,)."""
    check_errors(relative, absolute)
    grid = checks.simplex_rows("grid", grid).double()
    points = checks.simplex_rows("points", points).double()
    if grid.shape[1] != points.shape[1]:
        raise ValueError(f"points have {points.shape[1]} coordinates, the grid {grid.shape[1]}")
    some = points.split(max(1, CELLS // grid.numel()))
    return torch.cat([nearest(grid, part, relative, absolute) for part in some])


def nearest(grid: Tensor, points: Tensor, relative: float, absolute: float) -> Tensor:
    """The smallest excess over the grid of each point's worst coordinate."""
    off = (grid[None] - points[:, None]).abs() - relative * points[:, None] - absolute
    return off.amax(2).amin(1)


def lattice(n_rewards: int, steps: int) -> Tensor:
    """All weights that are multiples of 1/steps, (n, K), vertices among them.

    Args:
        n_rewards: K.
        steps: on each side, at least 1.
    """
    checks.whole_numbers(1, n_rewards=n_rewards, steps=steps)
    places = steps + n_rewards - 1
    bars = torch.tensor(list(combinations(range(places), n_rewards - 1))).view(-1, n_rewards - 1)
    ends = torch.full((len(bars), 1), -1), torch.full((len(bars), 1), places)
    return (torch.cat([ends[0], bars, ends[1]], 1).diff(dim=1) - 1).double() / steps


def lattice_size(n_rewards: int, steps: int) -> int:
    """How many weights `lattice` has."""
    return comb(steps + n_rewards - 1, n_rewards - 1)


def random_points(n: int, n_rewards: int, generator: torch.Generator) -> Tensor:
    """Weights drawn evenly from the simplex, (n, K): Dirichlet(1)."""
    checks.whole_numbers(1, n=n, n_rewards=n_rewards)
    drawn = -(1 - draws.uniform(generator, n, n_rewards)).log()
    return drawn / drawn.sum(1, keepdim=True)
