"""One low-rank intervention in representation space, or a stack with one for each user.

    φ(x) = x + Rᵀ (W x + b − R x)

R has orthonormal rows: φ replaces the r coordinates of x along them, and leaves the rest alone.

While it is trained, φ may act on z = (x − m) / σ in the place of x. It is then the same φ of x,
with b' = σ b − (W − R) m in the place of b; only steps of training lead elsewhere. The states of a
language model are mostly one constant direction, some hundred times as long as 1: where x itself
is read, nearly all of a step goes into what W says of that constant.

Shapes: k states, d features of a state, r rank, N users.

Source: PerFit (ICLR 2026, OpenReview Lwn67fk9e1); the form is LoReFT's (arXiv 2404.03592).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lore_core.perfit.orthonormal import at_most_wide, orthonormal
from lore_core.tasks.known import known
from lore_core.tools import checks
from lore_core.tools.ragged import padded


class Units(NamedTuple):
    """Where states lie, and how far apart.

    Args:
        centre: m, (d,).
        size: σ, root of the mean squared distance from it.
    """

    centre: Tensor
    size: float


class Form(nn.Module):
    """What one φ and a stack of them have in common.

    Attributes:
        free: (..., r, d) what is trained in R's place; R is its rows made orthonormal.
        W: (..., r, d), and b: (..., r).
        units: of what φ acts on; None for the states themselves.
    """

    free: nn.Parameter
    W: nn.Parameter
    b: nn.Parameter
    units: Units | None = None

    @property
    def R(self) -> Tensor:
        """(..., r, d) orthonormal rows."""
        return orthonormal(self.free)

    def change(self, x: Tensor, R: Tensor, W: Tensor, b: Tensor) -> Tensor:
        """Rᵀ (W x + b − R x), or σ Rᵀ (W z + b − R z)."""
        z, size = x.to(R.dtype), 1.0
        if self.units is not None:
            size = self.units.size
            z = (z - self.units.centre) / size
        return (size * (z @ (W - R).mT + b) @ R).to(x.dtype)

    @torch.no_grad()
    def settle(self) -> None:
        """The same φ, as a φ of the states themselves, and with R in the place of `free`."""
        R = self.R
        if self.units is not None:
            centre, size = self.units
            self.b.copy_(size * self.b - (self.W - R) @ centre)
            self.units = None
        self.free.copy_(R)


class Intervention(Form):
    """φ for everybody. It starts as the identity, exactly: W = R, b = 0.

    Args:
        start: (r, d) where the rows of R start; they are made orthonormal, first things first.

    Raises:
        ValueError: r is larger than d, or `start` is no finite table.
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        rows = checks.float_matrix("start", start).float()
        at_most_wide(*rows.shape)
        self.free = nn.Parameter(rows.clone())
        self.W = nn.Parameter(self.R.detach().clone())
        self.b = nn.Parameter(torch.zeros(len(rows)))

    def forward(self, x: Tensor) -> Tensor:
        """φ(x), (..., d).

        Args:
            x: (..., d).
        """
        return x + self.change(x, self.R, self.W, self.b)


class Interventions(Form):
    """φ_u for each of N users. All start in one place, as the identity.

    Args:
        n: N.
        start: (r, d) as in `Intervention`.

    Raises:
        ValueError: n is below 1, or as in `Intervention`.
    """

    def __init__(self, n: int, start: Tensor) -> None:
        super().__init__()
        checks.whole_number("n", n, at_least=1)
        one = Intervention(start)
        self.free = nn.Parameter(one.free.detach().repeat(n, 1, 1))
        self.W = nn.Parameter(self.R.detach().clone())
        self.b = nn.Parameter(torch.zeros(self.free.shape[:2]))

    def __len__(self) -> int:
        return len(self.free)

    def forward(self, x: Tensor, user: Tensor | None) -> Tensor:
        """φ_u(x) of each state's own user, (k, d).

        Args:
            x: (k, d).
            user: (k,) int64.

        Raises:
            ValueError: a user is unknown, or there is not one for each state.
        """
        user = known(user, len(self), len(x)).to(self.W.device)
        present, who = user.unique(return_inverse=True)
        place, there = padded(who, len(present))  # a user's states together: R is not copied
        R, W, b = (w.index_select(0, present) for w in (self.R, self.W, self.b))
        change = self.change(x[place], R, W, b[:, None])
        return x + change[there].index_select(0, place[there].argsort())
