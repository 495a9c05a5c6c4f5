"""Small worlds for tests, drawn from seeds, in which the truth is known."""

from functools import cache

import torch
from hypothesis import settings

from lore_core import Preferences, Responses
from lore_core.evaluation.study import Study
from lore_core.evaluation.synthetic import draw_study
from lore_core.simulation.labels import draw_prompts, noisy_choices
from lore_core.simulation.planted import planted_responses
from lore_core.simulation.tastes import dirichlet_tastes

# Hypothesis always tries the same few examples, takes its time, and remembers nothing.
properties = settings(derandomize=True, deadline=None, max_examples=5, database=None)


def random(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=random(seed))


def toy_responses(seed=0, n_prompts=15, n_candidates=4, n_features=6, n_traits=3):
    """Random responses whose traits are linear in the embeddings."""
    return planted_responses(n_prompts, n_candidates, n_features, n_traits, random(seed))[0]


def toy_pairs(n_responses=60, n_users=5, n_pairs=60, seed=0):
    """Pairs of random rows by random users: nothing to learn, but every user has some."""
    keys = torch.rand(n_pairs, n_responses, dtype=torch.float64, generator=random(seed))
    chosen, rejected = keys.argsort(1)[:, :2].T
    return Preferences(torch.arange(n_pairs) % n_users, chosen, rejected, n_users)


def pairs(*triples, n_users=None):
    """Preferences from (user, chosen, rejected) triples."""
    user, chosen, rejected = torch.tensor(triples, dtype=torch.long).view(-1, 3).T
    return Preferences(user, chosen, rejected, n_users or int(user.max()) + 1)


def triples(preferences):
    """The inverse of `pairs`, as a list of tuples."""
    return list(
        zip(
            *(t.tolist() for t in (preferences.user, preferences.chosen, preferences.rejected)),
            strict=True,
        )
    )


def shuffled(preferences, seed=0):
    """The same pairs in another order."""
    return preferences.select(torch.randperm(len(preferences), generator=random(seed)))


def swapped(preferences):
    """The opposite preferences."""
    return Preferences(
        preferences.user, preferences.rejected, preferences.chosen, preferences.n_users
    )


def relabelled(preferences, new_id):
    """The same pairs with user u called new_id[u]."""
    return Preferences(
        new_id[preferences.user], preferences.chosen, preferences.rejected, preferences.n_users
    )


def planted(concentration=0.1, n_users=40, n_pairs=30, n_shots=9, seed=0, **options) -> Study:
    """A crowd whose utilities lie in the span of three directions: rank 3 can be exact."""
    responses = toy_responses(seed, n_prompts=100, n_features=8)
    return draw_study(
        responses, concentration, n_users, 20, n_pairs, n_shots, seed, n_tests=20, **options
    )


def true_basis(study):
    """The directions (d, T) of a planted crowd's traits."""
    return torch.linalg.lstsq(study.responses.embeddings, study.responses.traits).solution


@cache
def people():
    """60 made people with 8 to 60 pairs each: responses without traits, and their preferences."""
    generator = random(5)
    world, _ = planted_responses(120, 4, 6, 3, generator)
    tastes = dirichlet_tastes(60, 3, 0.1, generator)
    asked = draw_prompts(torch.arange(120), 60, 60, generator)
    pairs = noisy_choices(world, tastes, asked, temperature=0.3, generator=generator)
    lengths = torch.linspace(8, 60, 60).round().long()
    keep = torch.arange(60)[None] < lengths[:, None]  # everybody's first so many
    return Responses(world.embeddings, world.prompt), pairs.select(keep.flatten())
