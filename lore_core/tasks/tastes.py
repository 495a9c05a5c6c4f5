"""Tastes of people who belong to groups, and what they find the responses worth.

Shapes: N users, G groups, M responses, T traits.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lore_core.tasks.panel import Panel
from lore_core.tools import draws

TRIES = 20_000


def draw(panel: Panel, traits: Tensor, group: Tensor, generator: torch.Generator) -> Tensor:
    """Everybody's taste: a group's, a person's own and a common one, mixed and of length one.

    All of them are Dirichlet draws with random signs. The groups' are drawn again until their
    utilities are distinct.

    Args:
        panel: the shares.
        traits: (M, T), each with mean 0.
        group: (N,) everybody's group.
        generator: source of the draws.

    Returns:
        (N, T) float64.

    Raises:
        ValueError: no groups that distinct were found.
    """
    n_traits = traits.shape[1]
    common = signed(1, n_traits, panel.concentration, generator)
    groups = distinct_groups(panel, traits, generator)
    own = signed(len(group), n_traits, panel.concentration, generator)
    personal = (1 - panel.own) * groups[group] + panel.own * own
    return normalize((1 - panel.shared) * personal + panel.shared * common)


def distinct_groups(panel: Panel, traits: Tensor, generator: torch.Generator) -> Tensor:
    """Tastes of groups (G, T) of whose utilities no two correlate by `panel.distinct` or more."""
    covariance = traits.T @ traits / len(traits)
    pairs = torch.triu_indices(panel.n_groups, panel.n_groups, offset=1)
    for _ in range(TRIES):
        tastes = signed(panel.n_groups, traits.shape[1], panel.concentration, generator)
        between = tastes @ covariance @ tastes.T
        size = between.diagonal().sqrt()
        if (between / size / size[:, None])[pairs[0], pairs[1]].lt(panel.distinct).all():
            return tastes
    raise ValueError(
        f"no {panel.n_groups} groups whose utilities correlate by less than {panel.distinct:g} "
        f"in {TRIES} draws; ask for fewer groups, or a larger `distinct`"
    )


def signed(n: int, n_traits: int, concentration: float, generator: torch.Generator) -> Tensor:
    """Dirichlet draws with a random sign for every trait, (n, T)."""
    sizes = draws.dirichlet(generator, torch.full((n, n_traits), float(concentration)))
    return sizes * (draws.uniform(generator, n, n_traits) < 0.5).double().mul(2).sub(1)


def noisy(scores: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """Scores scaled to sd 1 over responses, with normal noise of sd `noise` added.

    Args:
        scores: (..., M).
        noise: in sd of the scores, at least 0.
        generator: source of the noise.
    """
    spread = scores.std(-1, correction=0, keepdim=True)
    return scores / spread + noise * draws.normal(generator, *scores.shape)
