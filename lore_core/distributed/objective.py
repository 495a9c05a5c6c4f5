"""The objective of all users, on a process that has the pairs of some.

    f(V, l)  =  Σ_p f_p(V, l_p)  +  g(V)        over processes p; g are the basis' own penalties

    ∂f/∂V    =  Σ_p ∂f_p/∂V  +  ∂g/∂V           d K numbers, sent together with the loss
    ∂f/∂l_p  =  ∂f_p/∂l_p                       stays where it is

Shapes: M responses, d features, K basis rewards, N users of all processes, n of this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lore_core.distributed.processes import Processes
from lore_core.distributed.vectors import vector_type
from lore_core.objective import Objective, moderate
from lore_core.prepared import Learnable, PreparedPairs
from lore_core.recipes import Recipe
from lore_core.responses import Responses, mean_row
from lore_core.sorted_pairs import SortedPairs

Part = Callable[[Tensor, Tensor], Tensor]  # of basis and logits, one process' term of a sum


@dataclass(frozen=True, eq=False)
class SharedObjective(Objective):
    """The objective on the pairs of all processes: on each the same number, with its gradient.

    Args:
        processes: that share it.
        n_users: N.
        n_pairs: B of all processes.
    """

    processes: Processes = Processes()
    n_users: int = 1
    n_pairs: int = 1

    @classmethod
    def of(
        cls,
        responses: Responses,
        mine: Learnable,
        recipe: Recipe,
        scale: float,
        reference: Tensor | None,
        processes: Processes,
    ) -> SharedObjective:
        """The objective, from the pairs of this process; every process has to call it.

        Args:
            responses: what is ranked, the same on all processes.
            mine: pairs of n users.
            recipe: temperature, averaging and penalties.
            scale: what embeddings are divided by.
            reference: (d, 1) direction of the anchor, or None.
            processes: that share it.
        """
        own = on_rows(responses, mine, recipe, scale)
        users, pairs = zip(*processes.each((mine.n_users, len(mine))), strict=True)
        return cls(
            embeddings=own.embeddings,
            pairs=own.pairs,
            recipe=recipe,
            reference=reference,
            unit=own.unit,
            processes=processes,
            n_users=sum(users),
            n_pairs=sum(pairs),
        )

    def __call__(self, basis: Tensor, logits: Tensor, step: int) -> Tensor:
        """The objective of all users; logits are this process' (n, K)."""
        return self.whole(partial(self.part, step=step), basis, logits)

    def nll(self, basis: Tensor, logits: Tensor) -> Tensor:
        """The likelihood of all users' pairs; logits are this process' (n, K)."""
        return self.whole(super().nll, basis, logits)

    def part(self, basis: Tensor, logits: Tensor, step: int) -> Tensor:
        """This process' term of the sum; the first one has the basis' penalties too."""
        ridge = self.recipe.ridge_logits * logits.square().sum() / self.n_users
        term = super().nll(basis, logits) + ridge
        return term + self.basis_penalty(basis, step) if self.processes.rank == 0 else term

    def whole(self, part: Part, basis: Tensor, logits: Tensor) -> Tensor:
        """The sum of a term over all processes."""
        if torch.is_grad_enabled():
            return Sum.apply(basis, logits, part, self.processes)
        return self.processes.total(part(basis, logits))

    def vector(self, gradient: Tensor) -> Tensor:
        """A gradient whose dot products are those of the whole."""
        if self.recipe.optimizer != "lbfgs":
            return gradient
        common = self.embeddings.shape[1] * gradient.shape[1]
        return gradient.as_subclass(vector_type(common, self.processes))


class Sum(torch.autograd.Function):
    """The sum over processes; its gradient is found on the way, so that one sum does for both."""

    @staticmethod
    def forward(
        ctx: Any, basis: Tensor, logits: Tensor, part: Part, processes: Processes
    ) -> Tensor:
        with torch.enable_grad():
            here = [tensor.detach().requires_grad_() for tensor in (basis, logits)]
            term = part(*here)
            by_basis, by_logits = torch.autograd.grad(term, here)
        sent = processes.total(torch.cat([by_basis.flatten(), term.detach().view(1)]))
        ctx.save_for_backward(sent[:-1].view_as(basis), by_logits)
        return sent[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor | None, ...]:
        by_basis, by_logits = ctx.saved_tensors
        return gradient[0] * by_basis, gradient[0] * by_logits, None, None


def on_rows(responses: Responses, mine: Learnable, recipe: Recipe, scale: float) -> Objective:
    """The objective of some users: on all rows as they are, which processes share, or on a copy.

    A copy it is if these users compare fewer than half of the rows, or if the rows would cost
    digits as they are. What each process takes out of its copy cancels in every margin.
    """
    if isinstance(mine, PreparedPairs):
        return Objective.on(responses, mine, recipe, scale)
    rows = responses.embeddings
    compared = torch.cat([mine.chosen, mine.rejected]).unique()
    if 2 * len(compared) < len(rows) or not moderate(rows, mean_row(rows), scale):
        return Objective.on(responses, mine, recipe, scale)
    return Objective(rows, SortedPairs.of(mine, len(rows)), recipe, unit=scale)
