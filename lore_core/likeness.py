"""Whom is a new user like? Every seen user counts by how well their reward explains the pairs.

    p_ui ∝ Π_b σ(m_bi)        m_bi = r_i(chosen_b) - r_i(rejected_b), for the pairs b of user u

This is the posterior over "u is one of the seen users i, each as likely as the other". What is kept
of the seen users, averaged by it, is where a method draws a new user to: with few pairs that does
less harm than the mean of all seen users, and more good.

Shapes: N new users, N' seen users, B pairs.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lore_core.objective import pair_loss
from lore_core.preferences import Preferences
from lore_core.sorted_pairs import sums_of_runs
from lore_core.tools.progress import Bar

CELLS = 2**16  # margins held at once: far fewer than a world has numbers


def likeness(margins: Callable[[Tensor], Tensor], pairs: Preferences, n_seen: int) -> Tensor:
    """How much each new user is like each seen one, (N, N') in float64; rows sum to one.

    Args:
        margins: of some pairs, given by their places (b,), under every seen user's reward, (b, N').
            Losses are taken in their type, and added up in float64.
        pairs: B pairs of N new users; one without pairs is like everybody alike.
        n_seen: N'.
    """
    device = pairs.user.device
    found = torch.zeros(pairs.n_users, n_seen, dtype=torch.float64, device=device)
    with Bar("likeness", len(pairs), "pair") as bar:
        for some in pairs.user.argsort(stable=True).split(max(1, CELLS // n_seen)):
            user, counts = pairs.user[some].unique_consecutive(return_counts=True)
            found[user] -= sums_of_runs(counts, pair_loss(margins(some)).double())
            bar.step(n=len(some))
    return found.softmax(-1)
