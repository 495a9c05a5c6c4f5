"""Asking a synthetic crowd: everybody answers as many questions as a study needs."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.simulation.labels import (
    best_and_worst,
    better_of_two,
    choose,
    draw_prompts,
    noisy_choices,
)
from lore_core.simulation.tastes import has_preference
from lore_core.tools import checks

PAIRS = ("extreme", "random")


@dataclass(frozen=True, eq=False)
class Survey:
    """How users are asked: about which responses, with which tastes, how noisily they answer.

    Args:
        responses: with traits.
        tastes: (N, T).
        temperature: None without noise, or the τ of Bradley–Terry choices.
        pairs: "extreme" or "random" candidates of a prompt, see `kind_of_pairs`.
        generator: source of all draws.
    """

    responses: Responses
    tastes: Tensor
    temperature: float | None
    pairs: str
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
        if self.never_undecided or n > len(pool):
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

    @property
    def never_undecided(self) -> bool:
        """Whether users answer even where they find both candidates equal: they toss a coin."""
        return self.pairs == "random" and self.temperature is not None

    def label(self, tastes: Tensor, prompts: Tensor) -> Preferences:
        """The pairs of these questions, as the survey asks and users answer."""
        world = self.responses, tastes
        if self.temperature is not None and self.never_undecided:
            return noisy_choices(*world, prompts, self.temperature, self.generator)
        ask = best_and_worst if self.pairs == "extreme" else better_of_two
        pairs = ask(*world, prompts, self.generator)
        if self.temperature is None:
            return pairs
        return choose(*world, pairs, self.temperature, self.generator)


def kind_of_pairs(pairs: str | None, temperature: float | None) -> str:
    """Which two candidates of a prompt a user compares, where it is not said.

    Args:
        pairs: "extreme", the best against the worst for this user; "random", two random ones; or
            None: extreme without noise, as in LoRe's experiment, and random with noise.
        temperature: None without noise, or the τ of Bradley–Terry choices.

    Raises:
        ValueError: pairs is something else, or the temperature is not positive.
    """
    if temperature is not None:
        checks.number("temperature", temperature, above=True)
    if pairs is None:
        return "extreme" if temperature is None else "random"
    checks.one_of("pairs", pairs, PAIRS)
    return pairs


def check_complete(pairs: Preferences, n: int, n_prompts: int) -> None:
    """Raise a ValueError unless every user has n pairs."""
    short = (pairs.counts < n).nonzero().flatten()
    if len(short):
        raise ValueError(
            f"{len(short)} of {pairs.n_users} users have fewer than {n} pairs, the first one "
            f"{int(pairs.counts[short[0]])}: they find all candidates of too many of the "
            f"{n_prompts} prompts equal; ask for fewer pairs, or a crowd of higher concentration"
        )
