"""Pairs that were sorted before the fit, wherever their blocks lie: what need not fit in memory.

A fit asks little of its pairs: how many each user has, which responses they name, some of them to
measure the embeddings' unit, and their blocks, one after the other. `Preferences` know more, but
hold every pair. `distributed/stored.py` makes blocks that lie on the disk.

Shapes: M responses, d features, N users, B pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lore_core.preferences import Preferences, check_world
from lore_core.responses import Responses
from lore_core.scores import used
from lore_core.sorted_pairs import Block, SortedPairs
from lore_core.tools import checks
from lore_core.tools.devices import Device, moved


@dataclass(frozen=True, eq=False)
class PreparedPairs:
    """Pairs of some responses, sorted; `fit_basis` takes them in place of `Preferences`.

    Args:
        rows: (m,) the responses that some pair names, ascending.
        pairs: B pairs of N users, as numbers of these rows below m.
    """

    rows: Tensor
    pairs: SortedPairs

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def n_users(self) -> int:
        """N."""
        return len(self.counts)

    @property
    def counts(self) -> Tensor:
        """Pairs per user, (N,)."""
        return self.pairs.counts

    def check(self, responses: Responses) -> None:
        """Make sure that every row number exists.

        Raises:
            ValueError: `responses` is something else, or a pair points past the last of them.
        """
        checks.instance_of("responses", responses, Responses)
        if len(self.rows) and int(self.rows[-1]) >= len(responses):
            raise ValueError(
                f"a pair points to response {int(self.rows[-1])}, but there are {len(responses)} "
                f"(rows 0 to {len(responses) - 1}); do the pairs belong to these responses?"
            )

    def rows_at(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Chosen and rejected rows of the responses of some pairs, (n,) each.

        Args:
            places: (n,) ascending, in the order of users.
        """
        ends = places.new_tensor([len(block.user) for block in self.pairs.blocks]).cumsum(0)
        found, begin = [], 0
        parts = places.tensor_split(torch.searchsorted(places, ends)[:-1])
        for block, part, end in zip(self.pairs.blocks, parts, ends.tolist(), strict=True):
            here = part - begin
            found.append(torch.stack([block.chosen[here], block.rejected[here]]))
            begin = end
        chosen, rejected = self.rows[torch.cat(found, 1).long()]
        return chosen, rejected

    def on(self, responses: Responses) -> tuple[Tensor, SortedPairs]:
        """The embeddings of the rows, themselves if all are named, and the pairs of these."""
        embeddings = responses.embeddings
        if len(self.rows) == len(embeddings):
            return embeddings, self.pairs
        return embeddings[self.rows.to(embeddings.device)], self.pairs

    def of_users(self, users: slice) -> PreparedPairs:
        """The pairs of some users, renumbered from 0; blocks that lie within stay where they are.

        Args:
            users: one next to the other, from one number to another.
        """
        parts = (cut(block, users) for block in self.pairs.blocks)
        blocks = tuple(block for block in parts if block is not None)
        return replace(self, pairs=SortedPairs(blocks, self.counts[users]))

    def to(self, device: Device) -> PreparedPairs:
        """The same pairs on another device, all of them."""
        return moved(self, device)


Learnable = Preferences | PreparedPairs


def check_learnable(responses: Responses, pairs: Learnable) -> None:
    """Make sure that these are responses, and pairs of them from which a basis can be learned.

    Raises:
        ValueError: an argument is of another kind, or a pair points past the last response.
    """
    if isinstance(pairs, PreparedPairs):
        pairs.check(responses)
    else:
        check_world(responses, pairs)


def sorted_on(responses: Responses, pairs: Learnable) -> tuple[Tensor, SortedPairs]:
    """The embeddings that some pair names, as in `scores.used`, and the pairs of these, sorted."""
    if isinstance(pairs, PreparedPairs):
        return pairs.on(responses)
    rows, numbered = used(responses, pairs)
    return rows, SortedPairs.of(numbered, len(rows))


def cut(block: Block, users: slice) -> Block | None:
    """What a block has of some users, who are renumbered from 0; None if it has none of them."""
    first, last = max(users.start, block.users.start), min(users.stop, block.users.stop)
    if first >= last:
        return None
    if last - first == len(block.user_starts) - 1:
        return replace(block, first=first - users.start)
    begin, end = block.user_starts[[first - block.first, last - block.first]].tolist()
    columns = [ids[begin:end] for ids in (block.user, block.chosen, block.rejected)]
    columns[0] = columns[0] + (block.first - users.start)
    return Block.of(first - users.start, last - first, columns, len(block.row_starts) - 1)
