"""What belongs to a user, in one row per user: what batched solvers and set encoders read."""

from collections.abc import Iterator

import torch
from torch import Tensor


def padded(user: Tensor, n_users: int) -> tuple[Tensor, Tensor]:
    """Where each user's entries are in a list that names a user per entry.

    Args:
        user: (B,) ids in [0, n_users).
        n_users: N.

    Returns:
        (N, n) positions among the B entries, in their order, and (N, n) booleans: which of them are
        there. n is the largest number of entries of a user; empty places hold 0.
    """
    by_user, counts = user.argsort(stable=True), user.bincount(minlength=n_users)
    column = torch.arange(len(user), device=user.device)
    column = column - (counts.cumsum(0) - counts)[user[by_user]]
    places = by_user.new_zeros(n_users, int(counts.max()))
    places[user[by_user], column] = by_user
    return places, torch.arange(places.shape[1], device=user.device) < counts[:, None]


def rectangles(
    user: Tensor, n_users: int, cells: int = 2**17
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """`padded` for a few users at a time, those with equally many entries together.

    Args:
        user, n_users: as in `padded`.
        cells: places in a rectangle, unless one user fills more: bounds the memory.

    Yields:
        (n,) users, and their places and there as in `padded`. Users without entries are left out.
    """
    counts = user.bincount(minlength=n_users)
    users = counts.argsort(stable=True)[int((counts == 0).sum()) :]
    rank = torch.empty_like(counts)
    rank[users] = torch.arange(len(users), device=user.device)
    entries, sizes = rank[user].argsort(stable=True), counts[users]  # entries in order of `users`
    while len(users):
        area = sizes[:cells] * torch.arange(1, len(sizes[:cells]) + 1, device=user.device)
        n = max(1, int((area <= cells).sum()))
        here, entries = entries.tensor_split([int(sizes[:n].sum())])
        places, there = padded(rank[user[here]] - rank[users[0]], n)
        yield users[:n], here[places], there
        users, sizes = users[n:], sizes[n:]
