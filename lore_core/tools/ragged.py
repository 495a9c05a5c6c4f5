"""What belongs to a user, in one row per user: what batched solvers and set encoders read."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lore_core.tools import draws


def padded(user: Tensor, n_users: int) -> tuple[Tensor, Tensor]:
    """Where each user's entries are in a list that names a user per entry.

    Args:
        user: (B,) ids in [0, n_users).
        n_users: N.

    Returns:
        (N, n) positions among the B entries, in their order, and the mask (N, n) that says which of
        them exist. n is the largest number of entries of a user; empty places hold 0.
    """
    counts = user.bincount(minlength=n_users)
    positions = pad_sequence(rows_of(user, n_users), batch_first=True)
    mask = torch.arange(positions.shape[1], device=user.device) < counts[:, None]
    return positions, mask


def rows_of(user: Tensor, n_users: int) -> list[Tensor]:
    """The positions of each user's entries, in their order; arguments as in `padded`."""
    counts = user.bincount(minlength=n_users)
    return list(user.argsort(stable=True).split(counts.tolist()))


def random_places(user: Tensor, n_users: int, generator: torch.Generator) -> Tensor:
    """Where each entry comes when every user's entries are in random order, (B,): 0, 1, ...

    Args:
        user, n_users: as in `padded`.
        generator: source of the order, on the CPU.
    """
    owner = user.cpu()
    order = draws.uniform(generator, len(owner)).argsort(stable=True)
    by_user = order[owner[order].argsort(stable=True)]
    counts = owner.bincount(minlength=n_users)
    places = torch.empty_like(owner)
    places[by_user] = torch.arange(len(owner)) - (counts.cumsum(0) - counts)[owner[by_user]]
    return places.to(user.device)


def rectangles(
    user: Tensor, n_users: int, cells: int = 2**17
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """`padded` for a few users at a time, those with equally many entries together.

    Args:
        user, n_users: as in `padded`.
        cells: places in a rectangle, unless one user fills more: bounds the memory.

    Yields:
        (n,) users, and their positions and mask as in `padded`. Users without entries are left out.
    """
    counts = user.bincount(minlength=n_users)
    users = counts.argsort(stable=True)[int((counts == 0).sum()) :]
    rank = torch.empty_like(counts)
    rank[users] = torch.arange(len(users), device=user.device)
    entries = rank[user].argsort(stable=True)  # in the order of `users`
    for some in blocks(counts[users], cells):
        n = int(counts[users[some]].sum())
        mine, entries = entries[:n], entries[n:]
        positions, mask = padded(rank[user[mine]] - some.start, some.stop - some.start)
        yield users[some], mine[positions], mask


def blocks(sizes: Tensor, cells: int) -> Iterator[slice]:
    """Ascending sizes cut into blocks; each fills at most `cells` places, or holds one user."""
    first = 0
    while first < len(sizes):
        ahead = sizes[first : first + cells]
        area = ahead * torch.arange(1, len(ahead) + 1, device=sizes.device)
        n = max(1, int((area <= cells).sum()))
        yield slice(first, first + n)
        first += n
