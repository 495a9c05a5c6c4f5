"""Routers: which expert counts how much for a token of a user.

    user-aware   ρ = softmax( softmax(W_x x) + softmax(W_u e_u) )       stage 2
    LoRA-aware   ρ = softmax( W_l q ),  q the user's own update         stage 3.2
    fixed        ρ = a row of a given table

Each is called with x (n, i) or (n, t, i), q (n, o) or (n, t, o) and the users (n,), takes what it
needs of them, and returns shares (n, M) or (n, t, M) that sum to one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lore_core.proper.low_rank import start
from lore_core.proper.who import for_tokens, rows
from lore_core.tools import checks

SOFTMAXES = ("double", "single")


class UserRouter(nn.Module):
    """The user-aware router of stage 2; each layer has its own table of users.

    Args:
        n_experts: M.
        n_users: N.
        i: numbers that go into the layer.
        generator: source of W_x and W_u, normal with standard deviation 1/√i, and of the table.
        softmax: "double" as published; "single" leaves the inner two out.
        use_input: with W_x x.
        use_user: with W_u e_u.
        spread: standard deviation of the entries of e_u at the start.

    Raises:
        ValueError: a size or an option is out of range, or the router would see nothing.
    """

    by_input: nn.Parameter | None
    by_user: nn.Parameter | None
    table: nn.Parameter | None

    def __init__(
        self,
        n_experts: int,
        n_users: int,
        i: int,
        generator: torch.Generator,
        softmax: str = "double",
        use_input: bool = True,
        use_user: bool = True,
        spread: float = 1.0,
    ):
        super().__init__()
        checks.whole_numbers(1, n_experts=n_experts, n_users=n_users, i=i)
        checks.one_of("softmax", softmax, SOFTMAXES)
        if not (use_input or use_user):
            raise ValueError("a router needs the input or the user; for neither take FixedRouter")
        self.softmax = softmax
        size = checks.number("spread", spread) * i**0.5
        drawn = start(generator, 2 * n_experts + n_users, i).split([n_experts, n_experts, n_users])
        self.by_input = nn.Parameter(drawn[0]) if use_input else None
        self.by_user = nn.Parameter(drawn[1]) if use_user else None
        self.table = nn.Parameter(drawn[2] * size) if use_user else None

    def forward(self, x: Tensor, q: Tensor | None, user: Tensor | None) -> Tensor:
        """The shares of each token."""
        logits = []
        if self.by_input is not None:
            logits.append(x @ self.by_input.T)
        if self.by_user is not None and self.table is not None:
            logits.append(for_tokens(rows(self.table, user, len(x)) @ self.by_user.T, x))
        inner = [one.softmax(-1) for one in logits] if self.softmax == "double" else logits
        return torch.stack(inner).sum(0).softmax(-1)

    def meet(self, n_users: int) -> nn.Parameter:
        """A table of new users in the place of that of the users before.

        Args:
            n_users: how many; each starts as the mean of those before.

        Returns:
            The table (n_users, i), to be trained.

        Raises:
            ValueError: the router does not look at users, or n_users is below 1.
        """
        if self.table is None:
            raise ValueError("a router with use_user=False has no table of users")
        checks.whole_number("n_users", n_users, at_least=1)
        mean = self.table.detach().mean(0)
        self.table = nn.Parameter(mean.repeat(n_users, 1))
        return self.table


class LoraRouter(nn.Module):
    """The LoRA-aware router of stage 3.2, which sees what the user's own update says.

    Args:
        n_experts: M.
        o: numbers that come out of the layer.
        generator: source of W_l, normal with standard deviation 1/√o.

    Raises:
        ValueError: a size is out of range.
    """

    table = None  # it knows users by their updates

    def __init__(self, n_experts: int, o: int, generator: torch.Generator):
        super().__init__()
        checks.whole_numbers(1, n_experts=n_experts, o=o)
        self.weight = nn.Parameter(start(generator, n_experts, o))

    def forward(self, x: Tensor, q: Tensor | None, user: Tensor | None) -> Tensor:
        """The shares of each token.

        Raises:
            ValueError: the layer has no updates of users.
        """
        if q is None:
            raise ValueError("a LoraRouter reads the user's own update; give the layer `personal`")
        return (q @ self.weight.T).softmax(-1)


class FixedRouter(nn.Module):
    """Given shares of each user, whatever the token says: uniform, one-hot, or a posterior.

    Args:
        table: (N, M), rows on the simplex.

    Raises:
        ValueError: they are not.
    """

    table: Tensor

    def __init__(self, table: Tensor):
        super().__init__()
        self.register_buffer("table", checks.simplex_rows("the shares", table).clone())

    def forward(self, x: Tensor, q: Tensor | None, user: Tensor | None) -> Tensor:
        """The shares of each token."""
        return for_tokens(rows(self.table, user, len(x)).to(x), x)


Router = UserRouter | LoraRouter | FixedRouter


def bounds(n_experts: int, terms: int = 2) -> tuple[float, float]:
    """Between which shares a double softmax stays, whatever is learned.

    The inner softmaxes hand at most `terms` to one expert, and at least 0. A share is largest when
    its expert gets all of it, e^terms / (e^terms + M - 1); it is smallest when one rival gets all,
    1 / (e^terms + M - 1), since a convex sum is largest at a corner.

    Args:
        n_experts: M.
        terms: inner softmaxes: 2, or 1 for a router that sees the input or the user alone.

    Returns:
        The smallest and the largest share; both are limits. A single expert has all.
    """
    checks.whole_numbers(1, n_experts=n_experts, terms=terms)
    if n_experts == 1:
        return 1.0, 1.0
    top = math.exp(terms)
    return 1 / (top + n_experts - 1), top / (top + n_experts - 1)
