"""Low-rank updates of a linear layer: x -> s B A x, one of them or a stack of many.

Shapes: n members of a stack (M experts, or N users), r rank, i and o the layer's two sides,
... texts, or texts and their tokens.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lore_core.tasks.known import known
from lore_core.tools import checks, draws
from lore_core.tools.ragged import padded


class LowRank(nn.Module):
    """One update, s B A with s = α / r (LoRA). It starts at zero: A is random, B is 0.

    Args:
        r: rank.
        i: numbers that go into the layer.
        o: numbers that come out.
        alpha: α.
        generator: source of A, normal with standard deviation 1/√i.

    Raises:
        ValueError: r is larger than a side, or a size is out of range.
    """

    def __init__(self, r: int, i: int, o: int, alpha: float, generator: torch.Generator):
        super().__init__()
        self.scale = scale(r, i, o, alpha)
        self.A = nn.Parameter(start(generator, r, i))
        self.B = nn.Parameter(torch.zeros(o, r))

    def forward(self, x: Tensor) -> Tensor:
        """The update of (..., i): (..., o)."""
        return (x @ self.A.T * self.scale) @ self.B.T

    def delta(self) -> Tensor:
        """The update as a matrix, (o, i)."""
        return self.scale * self.B @ self.A


class LowRanks(nn.Module):
    """A stack of updates of one layer, all of one rank: of M experts, or of N users.

    Args:
        n: how many.
        r, i, o, alpha, generator: of each, see `LowRank`.

    Raises:
        ValueError: n is below 1, r is larger than a side, or a size is out of range.
    """

    def __init__(self, n: int, r: int, i: int, o: int, alpha: float, generator: torch.Generator):
        super().__init__()
        checks.whole_number("n", n, at_least=1)
        self.scale = scale(r, i, o, alpha)
        self.A = nn.Parameter(start(generator, n, r, i))
        self.B = nn.Parameter(torch.zeros(n, o, r))

    def __len__(self) -> int:
        return len(self.A)

    def one(self, x: Tensor, member: Tensor | None) -> Tensor:
        """Each text's update by its own member alone.

        Args:
            x: (n_texts, i) or (n_texts, t, i).
            member: (n_texts,) int64.

        Returns:
            (n_texts, o) or (n_texts, t, o).

        Raises:
            ValueError: there is no such member, or not one for each text.
        """
        member = known(member, len(self), len(x)).to(self.A.device)
        present, who = member.unique(return_inverse=True)
        place, there = padded(who, len(present))  # a member's texts together: A is not copied
        inner = torch.einsum("ml...i,mri->ml...r", x[place], self.A.index_select(0, present))
        own = self.B.index_select(0, present)
        update = torch.einsum("ml...r,mor->ml...o", self.scale * inner, own)
        return update[there].index_select(0, place[there].argsort())

    def mixed(self, x: Tensor, shares: Tensor) -> Tensor:
        """The updates of all members in shares, Σ_m ρ_m s B_m A_m x.

        The shares meet the (..., n, r) numbers inside; (..., n, o) are never made.

        Args:
            x: (..., i).
            shares: (..., n).

        Returns:
            (..., o).
        """
        inner = (x @ self.A.flatten(0, 1).T).unflatten(-1, self.A.shape[:2])
        weighted = (inner * (self.scale * shares[..., None])).flatten(-2)
        return weighted @ self.B.transpose(0, 1).flatten(1).T

    def delta(self, member: int) -> Tensor:
        """One member's update as a matrix, (o, i)."""
        return self.scale * self.B[member] @ self.A[member]


def learned(tensors: Mapping[str, Tensor], s: float) -> LowRank | LowRanks:
    """One update or a stack, from the A and B that they learned, and their scale."""
    *n, r, i = tensors["A"].shape
    o, source = tensors["B"].shape[-2], draws.generator(0)  # what it draws is written over
    sizes = (r, i, o, s * r, source)
    made = LowRanks(n[0], *sizes) if n else LowRank(*sizes)
    made.to(tensors["A"].dtype).load_state_dict(dict(tensors))
    made.scale = s  # to the last bit
    return made


def scale(r: int, i: int, o: int, alpha: float) -> float:
    """α / r, after a look at the sizes."""
    checks.whole_numbers(1, r=r, i=i, o=o)
    if r > min(i, o):
        raise ValueError(
            f"r is {r}, but the layer maps {i} numbers to {o}: no update of it has a rank above "
            f"{min(i, o)}; choose a smaller r"
        )
    return checks.number("alpha", alpha, above=True) / r


def start(generator: torch.Generator, *shape: int) -> Tensor:
    """Normal draws that keep the size of what they multiply: standard deviation 1/√(last side)."""
    return (draws.normal(generator, *shape) / shape[-1] ** 0.5).float()
