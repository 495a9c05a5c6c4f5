"""A small planted world for the tests of PROPER: two groups who want the opposite of one trait."""

import torch

from lore_core.language_model.tail import Tail
from lore_core.tasks.items import Labelled
from lore_core.tools import draws

D, INSIDE, LABELS = 16, 24, 5
VALUES = (1.0, 2.0, 3.0, 4.0, 5.0)


def tail(seed: int = 0) -> Tail:
    """A tail with random weights, small enough for a test."""
    g = draws.generator(seed)
    weights = {
        "norm": torch.ones(D),
        "gate_proj": draws.normal(g, INSIDE, D) / D**0.5,
        "up_proj": draws.normal(g, INSIDE, D) / D**0.5,
        "down_proj": draws.normal(g, D, INSIDE) / INSIDE**0.5,
        "final_norm": torch.ones(D),
    }
    return Tail(weights, 0.3 * draws.normal(g, LABELS, D), 1e-5)


def crowd(seed: int, n_groups: int = 2, each: int = 30, n_users: int = 40) -> Labelled:
    """Users who rate by one feature of the input: with one group all alike, with two by turns.

    The input is mostly one constant direction, as that of a language model's MLP.
    """
    g = draws.generator(seed)
    user = torch.arange(n_users).repeat_interleave(each)
    x = (draws.normal(g, n_users * each, D) + 2 * draws.normal(draws.generator(99), D)).float()
    wanted = x[:, 0] - x[:, 0].mean()
    sign = 1 - 2 * groups(n_users, n_groups)[user].float()
    value = wanted * sign + 0.3 * draws.normal(g, len(user)).float()
    fifths = torch.tensor([-0.84, -0.25, 0.25, 0.84])  # of a standard normal
    return Labelled(x, torch.bucketize(value, fifths), user, n_users, VALUES)


def groups(n_users: int = 40, n_groups: int = 2) -> torch.Tensor:
    """Everybody's true group."""
    return torch.arange(n_users) % n_groups


def error(tuned, items: Labelled) -> torch.Tensor:
    """Mean absolute error of each user, (N,)."""
    wrong = (tuned.predict(items.inputs, items.user, ordered=True) - items.target).abs().float()
    return wrong.view(items.n_users, -1).mean(1)
