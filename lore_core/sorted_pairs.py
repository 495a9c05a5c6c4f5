"""Pairs sorted once, by user and by response, for the sums over each of them.

A sum over the pairs of each user, or of each response, is the product of a sparse matrix and a
table of K columns: several times faster than adding up pair by pair.

Shapes: M responses, N users, B pairs; a block has n users and b pairs.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.tools.devices import Device, moved

PAIRS = 2**18  # in a block, unless there are more rows or one user has more: bounds (b, K) tables


@dataclass(frozen=True, eq=False)
class Block:
    """The pairs of some users next to each other, sorted by user; numbers have 32 bits.

    Args:
        first: the first of these users.
        user: (b,) counted from the first, ascending.
        chosen, rejected: (b,) rows.
        user_starts: (n + 1,) where each user's pairs begin.
        row_starts: (M + 1,) where each response begins in `places` and `place_users`.
        places: (2 b,) where in [chosen, rejected] a response stands.
        place_users: (2 b,) whose pair that is.
    """

    first: int
    user: Tensor
    chosen: Tensor
    rejected: Tensor
    user_starts: Tensor
    row_starts: Tensor
    places: Tensor
    place_users: Tensor

    @classmethod
    def of(cls, first: int, n: int, columns: list[Tensor], n_rows: int) -> Block:
        """The block of n users from the first one on, from their user, chosen and rejected."""
        user, chosen, rejected = columns[0] - first, *columns[1:]
        rows = torch.cat([chosen, rejected])
        places = rows.argsort(stable=True)
        return cls(
            first=first,
            user=user,
            chosen=chosen,
            rejected=rejected,
            user_starts=starts(user.bincount(minlength=n)),
            row_starts=starts(rows.bincount(minlength=n_rows)),
            places=places.int(),
            place_users=user.repeat(2)[places],
        )

    @property
    def users(self) -> slice:
        """Whose pairs these are."""
        return slice(self.first, self.first + len(self.user_starts) - 1)

    def to(self, device: Device) -> Block:
        """The same block on another device."""
        return moved(self, device)

    def sums_by_user(self, values: Tensor, table: Tensor) -> Tensor:
        """Σ_b value_b · table_b over the pairs b of each user, (n, K), of a table (b, K)."""
        return sums(self.user_starts, values, table)

    def sums_by_row(self, values: Tensor, table: Tensor) -> Tensor:
        """Σ_b ± value_b · table_u over the pairs b of each response, (M, K), of a table (n, K).

        Plus where the response was chosen, minus where it was rejected; u is the pair's user.
        """
        values = torch.cat([values, -values]).index_select(0, self.places)
        return sparse(self.row_starts, self.place_users, values, len(table)) @ table


@dataclass(frozen=True, eq=False)
class SortedPairs:
    """All pairs, in blocks of whole users.

    Args:
        blocks: in the order of users.
        counts: pairs per user, (N,).
    """

    blocks: tuple[Block, ...]
    counts: Tensor

    @classmethod
    def of(cls, pairs: Preferences, n_rows: int) -> SortedPairs:
        """Pairs of rows below `n_rows`."""
        order = pairs.user.argsort(stable=True)
        columns = [ids.int()[order] for ids in (pairs.user, pairs.chosen, pairs.rejected)]
        ends = pairs.counts.cumsum(0)
        blocks, first, begin = [], 0, 0
        for last in cuts(ends, max(PAIRS, n_rows)):
            end = int(ends[last - 1])
            some = [ids[begin:end] for ids in columns]
            blocks.append(Block.of(first, last - first, some, n_rows))
            first, begin = last, end
        return cls(blocks=tuple(blocks), counts=pairs.counts)

    def __len__(self) -> int:
        return sum(len(block.user) for block in self.blocks)

    def to(self, device: Device) -> SortedPairs:
        """The same pairs on another device."""
        return replace(moved(self, device), blocks=tuple(b.to(device) for b in self.blocks))


def cuts(ends: Tensor, size: int) -> list[int]:
    """Where blocks of users end that have at most `size` pairs each, or one user with more.

    Args:
        ends: (N,) pairs of each user and all before.
        size: pairs.
    """
    found, begin = [0], 0
    while found[-1] < len(ends):
        last = int(torch.searchsorted(ends, begin + size, right=True))
        found.append(max(last, found[-1] + 1))
        begin = int(ends[found[-1] - 1])
    return found[1:]


def starts(counts: Tensor) -> Tensor:
    """Where each of n runs of so many entries begins, and where the last one ends, (n + 1,)."""
    ends = counts.cumsum(0)
    return torch.cat([ends.new_zeros(1), ends]).int()


def sums_of_runs(counts: Tensor, table: Tensor) -> Tensor:
    """Sums of runs of so many rows of a table (B, K), one after the other: (n, K)."""
    return sums(starts(counts), table.new_ones(len(table)), table)


def sums(row_starts: Tensor, values: Tensor, table: Tensor) -> Tensor:
    """Σ_b value_b · table_b over stretches of a table (B, K), which begin at `row_starts`."""
    columns = torch.arange(len(table), dtype=torch.int32, device=table.device)
    return sparse(row_starts, columns, values, len(table)) @ table


def sparse(row_starts: Tensor, columns: Tensor, values: Tensor, n_columns: int) -> Tensor:
    """A sparse matrix of compressed rows, (len(row_starts) - 1, n_columns)."""
    shape = len(row_starts) - 1, n_columns
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(row_starts, columns, values, shape, check_invariants=False)
