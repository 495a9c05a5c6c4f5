"""PALM: a few policies for many users (arXiv 2604.04144)."""

from lore_core.palm.algorithm import palm
from lore_core.palm.coverage import uncovered, worst_cell
from lore_core.palm.grids import covering_grid, lazy_grid, paper_grid, simplex_grid
from lore_core.palm.levels import additive, combined, multiplicative
from lore_core.palm.policy import Policies, optimum, probabilities, tilt, values
from lore_core.palm.portfolio import Portfolio
from lore_core.palm.prune import Targets, of_size, smallest
from lore_core.palm.rewards import UnitRewards, unit_rewards

__all__ = [
    "Policies",
    "Portfolio",
    "Targets",
    "UnitRewards",
    "additive",
    "combined",
    "covering_grid",
    "lazy_grid",
    "multiplicative",
    "of_size",
    "optimum",
    "palm",
    "paper_grid",
    "probabilities",
    "simplex_grid",
    "smallest",
    "tilt",
    "uncovered",
    "unit_rewards",
    "values",
    "worst_cell",
]
