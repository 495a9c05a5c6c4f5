"""Who has which users: whole users, next to each other, with about equally many pairs.

Shapes: N users, B pairs.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.prepared import Learnable, PreparedPairs


def shards(counts: Tensor, n: int) -> list[slice]:
    """Users cut into n shards, each with at least one user.

    No shard has more than its share of the pairs by more than one user's pairs, unless users are
    so few that somebody has to take them.

    Args:
        counts: pairs per user, (N,).
        n: shards.

    Raises:
        ValueError: there are fewer users than shards.
    """
    n_users = len(counts)
    if n > n_users:
        raise ValueError(f"there are {n} processes for {n_users} users; start at most {n_users}")
    ends = counts.cumsum(0)
    wanted = ends[-1] * torch.arange(1, n) / n
    inner = torch.searchsorted(ends.double(), wanted.double()) + 1
    least = torch.arange(1, n)
    inner = torch.maximum((inner - least).cummax(0).values + least, least) if n > 1 else inner
    inner = torch.minimum(inner, n_users - n + least)
    return [slice(a, b) for a, b in pairwise([0, *inner.tolist(), n_users])]


def of_shard(pairs: Learnable, shard: slice) -> Learnable:
    """The pairs of a shard's users, renumbered from 0.

    Args:
        pairs: B pairs of N users, in any order.
        shard: its users.
    """
    if isinstance(pairs, PreparedPairs):
        return pairs.of_users(shard)
    mine = (pairs.user >= shard.start) & (pairs.user < shard.stop)
    return Preferences(
        user=pairs.user[mine] - shard.start,
        chosen=pairs.chosen[mine],
        rejected=pairs.rejected[mine],
        n_users=shard.stop - shard.start,
    )
