"""A small planted world for the tests of PerFit: users label states that something has moved.

States are moved by v̄ for all and by v_u for a user, where all v_u lie in three dimensions. Labels
tell all directions equally well: there are two to each coordinate of the state.
"""

import torch
from torch import nn

from lore_core.tasks.items import Labelled
from lore_core.tools import draws

D, LABELS = 12, 24


def net() -> nn.Linear:
    """A network that reads the states as nothing had moved them."""
    found = nn.Linear(D, LABELS, bias=False).requires_grad_(False)
    found.weight.copy_(2 * torch.cat([torch.eye(D), -torch.eye(D)]))
    return found


def truth(n_users: int = 30, own: float = 1.0, seed: int = 0):
    """v̄ (d,), an orthonormal basis of three dimensions (3, d), and v_u (N, d)."""
    g = draws.generator(seed)
    mean = draws.normal(g, D)
    basis = torch.linalg.qr(draws.normal(g, D, 3)).Q.T
    return 2 * mean / mean.norm(), basis, own * draws.normal(g, n_users, 3) @ basis


def crowd(seed: int, each: int = 30, n_users: int = 30, own: float = 1.0) -> Labelled:
    """Everybody's items."""
    g, (mean, _, own_shift) = draws.generator(seed), truth(n_users, own)
    user = torch.arange(n_users).repeat_interleave(each)
    x = 0.2 * draws.normal(g, len(user), D)
    shares = ((x + mean + own_shift[user]) @ net().weight.T.double()).softmax(1)
    chance = draws.uniform(g, len(user), 1)
    target = torch.searchsorted(shares.cumsum(1), chance).flatten().clamp(max=LABELS - 1)
    return Labelled(x.float(), target, user, n_users)


def losses(shifted, items: Labelled) -> torch.Tensor:
    """Mean loss of each user, (N,)."""
    return shifted.all_losses(items).view(items.n_users, -1).mean(1)


def largest_angle(one: torch.Tensor, other: torch.Tensor) -> float:
    """Between the spans of two sets of orthonormal rows, in degrees."""
    cosines = torch.linalg.svdvals(one.double() @ other.double().T)
    return float(torch.rad2deg(cosines.clamp(max=1).acos().max()))
