"""What a network learns from: who said what of which input.

Shapes: n items, d features of an input, N users.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from lore_core.tools import checks


class Items(Protocol):
    """Anything that a network can be trained on, item by item, each of one user."""

    def __len__(self) -> int:
        """n."""

    @property
    def user(self) -> Tensor:
        """(n,) whose item each is."""

    @property
    def n_users(self) -> int:
        """N."""

    @property
    def together(self) -> int:
        """How many items fit into memory at once, with what a gradient needs."""

    def losses(self, net: nn.Module, rows: Tensor) -> Tensor:
        """−log p(target | input) of some items, (len(rows),) on the CPU; a gradient flows."""

    def counted(self, rows: Tensor) -> Tensor | None:
        """Which tokens of some items are no padding, (len(rows), t); None where none are."""

    def prompted(self, rows: Tensor) -> Tensor | None:
        """Which tokens of some items stand before the answer, (len(rows), t); None without any."""

    def residual(self, net: nn.Module, rows: Tensor) -> Tensor | None:
        """How far targets are from what the network expects, (len(rows), c); None for texts."""

    def select(self, rows: Tensor) -> Self:
        """Some of the items, of as many users as before."""


@dataclass(frozen=True)
class Labelled:
    """Inputs that users gave one of several labels.

    Args:
        inputs: (n, d) what the network reads.
        target: (n,) the label, as a number from 0.
        user: (n,) who gave it.
        n_users: N; a user may have no item.
        values: of the labels, where they are numbers in rising order; else none.

    Raises:
        ValueError: lengths differ, an input is not finite, a user or a label is out of range.
    """

    inputs: Tensor
    target: Tensor
    user: Tensor
    n_users: int
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        checks.set_field(self, "inputs", checks.float_matrix("inputs", self.inputs))
        for name in ("target", "user"):
            checks.set_field(self, name, checks.index_vector(name, getattr(self, name)))
            checks.same_length(name, getattr(self, name), "inputs", self.inputs)
        checks.whole_number("n_users", self.n_users, at_least=1)
        checks.below("user", self.user, self.n_users)
        if self.values:
            checks.rising("values", self.values)
            checks.below("target", self.target, len(self.values))

    def __len__(self) -> int:
        return len(self.user)

    @property
    def together(self) -> int:
        """Rows that are computed at once."""
        return 1024

    def losses(self, net: nn.Module, rows: Tensor) -> Tensor:
        """−log p(label | input) of some items, (len(rows),)."""
        return cross_entropy(net(self.inputs[rows]), self.target[rows], reduction="none")

    def counted(self, rows: Tensor) -> None:
        """No row has padding."""

    def prompted(self, rows: Tensor) -> None:
        """No row has tokens."""

    def residual(self, net: nn.Module, rows: Tensor) -> Tensor:
        """The targets less what the network expects: values (n, 1), else each label (n, L)."""
        expected = net(self.inputs[rows]).softmax(1)
        found = one_hot(self.target[rows], expected.shape[1]) - expected
        return found @ found.new_tensor(self.values)[:, None] if self.values else found

    def select(self, rows: Tensor) -> Labelled:
        """Some of the items: row numbers or a mask."""
        return replace(
            self, inputs=self.inputs[rows], target=self.target[rows], user=self.user[rows]
        )
