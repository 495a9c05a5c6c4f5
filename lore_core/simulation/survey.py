"""Asking a synthetic crowd: everybody answers as many questions as a study needs."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.simulation.labels import best_and_worst, draw_prompts, noisy_choices
from lore_core.simulation.tastes import has_preference


@dataclass(frozen=True, eq=False)
class Survey:
    """How users are asked: about which responses, with which tastes, how noisily they answer."""

    responses: Responses
    tastes: Tensor
    temperature: float | None
    generator: torch.Generator

    def ask(self, who: Tensor, pool: Tensor, *sizes: int) -> list[Preferences]:
        """Pairs of users `who`, in parts of so many prompts of `pool` each, no prompt twice.

        Raises:
            ValueError: somebody has a preference among the candidates of too few prompts.
        """
        prompts = self.draw(who, pool, sum(sizes))
        parts = [self.label(self.tastes[who], part) for part in prompts.split(sizes, dim=1)]
        for pairs, size in zip(parts, sizes, strict=True):
            check_complete(pairs, size, len(pool))
        return parts

    def ask_up_to(self, who: Tensor, pool: Tensor, n: int) -> Preferences:
        """The same for one part, but whoever finds too many prompts undecided gives fewer pairs."""
        return self.label(self.tastes[who], self.draw(who, pool, n))

    def draw(self, who: Tensor, pool: Tensor, n: int) -> Tensor:
        """For each user n prompts of `pool` in random order, (N, n), the undecided ones last."""
        if self.temperature is not None or n > len(pool):  # noisy choices are never undecided
            return draw_prompts(pool, len(who), n, self.generator)
        prompts = draw_prompts(pool, len(who), len(pool), self.generator)
        column = torch.searchsorted(self.responses.prompt.unique(), prompts)
        decided = self.decided[who].gather(1, column)
        last = decided.logical_not().to(torch.int8).argsort(dim=1, stable=True)
        return prompts.gather(1, last)[:, :n]

    @cached_property
    def decided(self) -> Tensor:
        """Which users prefer something among which prompt's candidates, (N, P)."""
        return has_preference(self.responses, self.tastes)

    def label(self, tastes: Tensor, prompts: Tensor) -> Preferences:
        """Best against worst, or a noisy choice between two random candidates."""
        if self.temperature is None:
            return best_and_worst(self.responses, tastes, prompts, self.generator)
        return noisy_choices(self.responses, tastes, prompts, self.temperature, self.generator)


def check_complete(pairs: Preferences, n: int, n_prompts: int) -> None:
    """Raise a ValueError unless every user has n pairs."""
    short = (pairs.counts < n).nonzero().flatten()
    if len(short):
        raise ValueError(
            f"{len(short)} of {pairs.n_users} users have fewer than {n} pairs, the first one "
            f"{int(pairs.counts[short[0]])}: they find all candidates of too many of the "
            f"{n_prompts} prompts equal; ask for fewer pairs, or a crowd of higher concentration"
        )
