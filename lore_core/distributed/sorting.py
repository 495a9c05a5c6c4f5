"""Pairs of a file, in the order of their users, as sorted blocks, one at a time.

The pairs are read twice: once to see who has how many and which responses they name, and once to
cut them. What is held is one block, and N + M numbers.

Shapes: M responses, N users, B pairs, m responses that some pair names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lore_core import sorted_pairs
from lore_core.distributed import inputs
from lore_core.preferences import Preferences
from lore_core.sorted_pairs import Block, cuts
from lore_core.tools.progress import Bar


@dataclass(frozen=True)
class Source:
    """Pairs in a file or a folder; arguments as of `inputs.preferences`."""

    path: Path
    n_users: int | None = None

    def chunks(self, name: str, total: int | None = None) -> Iterator[Preferences]:
        """Some pairs at a time, checked one by one and in the order of their users.

        Args:
            name: of what is done with them, for the progress bar.
            total: B, if it is known.

        Raises:
            ValueError: they are no pairs, or not in order.
        """
        last = 0
        with Bar(name, total, "pair") as bar:
            for ids in inputs.chunks(self.path, sorted_pairs.PAIRS):
                some = inputs.paired(ids, self.n_users)
                check_order(self.path, some.user, last)
                last = int(some.user[-1])
                bar.step(n=len(some))
                yield some

    def surveyed(self) -> tuple[Tensor, Tensor]:
        """Pairs per user (N,), and the rows that some pair names, (m,)."""
        counts, named = torch.zeros(self.n_users or 1).long(), torch.zeros(1, dtype=torch.bool)
        last = 0
        for some in self.chunks("count pairs"):
            first, last = int(some.user[0]), int(some.user[-1])
            counts = grown(counts, last + 1)
            counts[first : last + 1] += (some.user - first).bincount()
            named = grown(named, 1 + max(int(some.chosen.max()), int(some.rejected.max())))
            named[some.chosen] = True
            named[some.rejected] = True
        return counts[: self.n_users or last + 1].clone(), named.nonzero().flatten()

    def blocks(self, counts: Tensor, rows: Tensor) -> Iterator[Block]:
        """The blocks that `SortedPairs.of` would make; arguments are what `surveyed` found."""
        ends, first = counts.cumsum(0), 0
        lasts = cuts(ends, max(sorted_pairs.PAIRS, len(rows)))
        sizes = ends[[last - 1 for last in lasts]].diff(prepend=ends.new_zeros(1)).tolist()
        pairs = (
            torch.stack([some.user, *torch.searchsorted(rows, sides(some))]).int()
            for some in self.chunks("sort pairs", int(ends[-1]))
        )
        for last, columns in zip(lasts, pieces(pairs, sizes), strict=True):
            yield Block.of(first, last - first, list(columns), len(rows))
            first = last


def sides(pairs: Preferences) -> Tensor:
    """Chosen and rejected rows, (2, b)."""
    return torch.stack([pairs.chosen, pairs.rejected])


def check_order(source: Path, user: Tensor, last: int) -> None:
    """Raise a ValueError unless users are ascending, after the last one before them."""
    before = torch.cat([user.new_tensor([last]), user[:-1]])
    back = (user < before).nonzero().flatten()
    if len(back):
        late, early = int(before[back[0]]), int(user[back[0]])
        raise ValueError(
            f"{source} is not sorted by user: {early} comes after {late}; sort it, or leave out "
            "the folder, which holds all pairs in memory"
        )


def grown(table: Tensor, n: int) -> Tensor:
    """A table of at least n numbers; new ones are 0."""
    if len(table) >= n:
        return table
    return torch.cat([table, table.new_zeros(max(n, 2 * len(table)) - len(table))])


def pieces(chunks: Iterator[Tensor], sizes: list[int]) -> Iterator[Tensor]:
    """Chunks (3, b) of columns, cut anew into pieces of the sizes that are asked for."""
    held = torch.zeros(3, 0, dtype=torch.int32)
    for size in sizes:
        parts = [held]
        while sum(part.shape[1] for part in parts) < size:
            parts.append(next(chunks))
        whole = torch.cat(parts, 1)
        yield whole[:, :size]
        held = whole[:, size:].clone()
