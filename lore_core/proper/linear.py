"""A linear layer with what PROPER adds to it.

    h = W0 x + s B A x + (1/M) Σ_m ρ_m s B_m A_m x + s B_u A_u x
        frozen  stage 1       stage 2                  stage 3

Each part may be missing. Shapes: n texts, t tokens, i numbers in, o out, M experts.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lore_core.proper.low_rank import LowRank, LowRanks
from lore_core.proper.routers import Router
from lore_core.proper.who import Who
from lore_core.tools import checks, draws


class ProperLinear(nn.Module):
    """A frozen linear layer and its updates.

    Args:
        base: the layer; it is frozen, and never written to.
        population: one update for everybody.
        experts: updates of M groups.
        router: who gets which share of them.
        personal: updates of N users.
        average: with the factor 1/M, as published.
        dropout: share of the inputs of updates that is left out in training.
        who: of the batch; `inject` puts in the one that all layers share.

    Attributes:
        shares: ρ of the last batch, (n, M) or (n, t, M), with its graph; None without experts.
        kept: W0 x of all items, (items, o), where x never changes; `who.rows` says which are read.

    Raises:
        ValueError: a part does not fit the layer, or dropout is out of range.
    """

    def __init__(
        self,
        base: nn.Linear,
        *,
        population: LowRank | None = None,
        experts: LowRanks | None = None,
        router: Router | None = None,
        personal: LowRanks | None = None,
        average: bool = True,
        dropout: float = 0.0,
        who: Who | None = None,
    ):
        super().__init__()
        checks.instance_of("base", base, nn.Linear)
        checks.flag("average", average)
        self.dropout = checks.number("dropout", dropout)
        if self.dropout >= 1:
            raise ValueError(f"dropout is {dropout}, expected a share below 1")
        self.base = base.requires_grad_(False)
        self.population, self.experts, self.personal = population, experts, personal
        self.router = router
        self.average = average
        self.who = Who() if who is None else who
        self.shares: Tensor | None = None
        self.kept: Tensor | None = None
        for name in ("population", "experts", "personal"):
            self._check(name)
        self.to(base.weight.device)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output with all its updates.

        Args:
            x: (n, i) or (n, t, i).

        Returns:
            (n, o) or (n, t, o).

        Raises:
            ValueError: a user is unknown, or users or a router are missing.
        """
        h = self.base(x) if self.kept is None else self.kept[self.who.rows]
        update = self.update(x)
        return h if update is None else h + update.to(h.dtype)

    def update(self, x: Tensor) -> Tensor | None:
        """What is added to the base's output; None if there is no part that adds.

        Where x never changes, W0 x can be kept, and only this is computed again.
        """
        self.shares = None
        parts = [part for part in (self.population, self.experts, self.personal) if part]
        if not parts:
            return None
        x = x.to(parts[0].A.dtype)
        dropped = self._dropped(x)
        q = self.personal.one(dropped, self.who.user) if self.personal else None
        added = [] if q is None else [q]
        if self.population:
            added.append(self.population(dropped))
        if self.experts:
            added.append(self._grouped(x, dropped, q))
        return sum(added[1:], added[0])

    def merge(self) -> None:
        """Put the population's update into a new weight; the base given is left as it is."""
        if self.population is None:
            return
        weight = self.base.weight.detach()
        o, i = weight.shape
        merged = nn.Linear(i, o, bias=False, device="meta")  # no memory, and no random numbers
        both = weight + self.population.delta().detach()
        merged.weight = nn.Parameter(both.to(weight.dtype), requires_grad=False)
        merged.bias = self.base.bias
        self.base, self.population = merged, None

    def __getstate__(self) -> dict[str, Any]:
        """What a copy takes over: not the shares, whose graph belongs to a batch."""
        return self.__dict__ | {"shares": None}

    def _grouped(self, x: Tensor, dropped: Tensor, q: Tensor | None) -> Tensor:
        """(1/M) Σ_m ρ_m s B_m A_m x; the router sees all of x."""
        if self.experts is None or self.router is None:
            raise ValueError("the layer has experts and no router; set `router`, say a FixedRouter")
        self.shares = self.router(x, q, self.who.user)
        mixed = self.experts.mixed(dropped, self.shares)
        return mixed / len(self.experts) if self.average else mixed

    def _dropped(self, x: Tensor) -> Tensor:
        """x, in training with some entries at 0 and the others larger."""
        if not self.training or self.dropout == 0:
            return x
        if self.who.source is None:
            raise ValueError("dropout needs random numbers; set `who.source` to a generator")
        kept = draws.uniform(self.who.source, *x.shape) >= self.dropout
        return x * kept.to(x.device) / (1 - self.dropout)

    def _check(self, name: str) -> None:
        """Raise a ValueError unless a part has the layer's sides."""
        part = getattr(self, name)
        sides = (self.base.in_features, self.base.out_features)
        if part is not None and (part.A.shape[-1], part.B.shape[-2]) != sides:
            raise ValueError(
                f"{name} maps {part.A.shape[-1]} numbers to {part.B.shape[-2]}, but the layer maps "
                f"{sides[0]} to {sides[1]}"
            )
