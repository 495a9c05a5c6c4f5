"""How synthetic users answer: by their taste, with noise, or now and then without reading.

Shapes: N users.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.tools import checks, draws


@dataclass(frozen=True)
class Habit:
    """How users answer which of two responses they prefer.

    Args:
        temperature: None without noise, or the τ of Bradley–Terry choices on the true utility.
        careless: the share of answers that are a coin's, from 0 to 1.

    Raises:
        ValueError: a number is out of range.
    """

    temperature: float | None = None
    careless: float = 0.0

    def __post_init__(self) -> None:
        if self.temperature is not None:
            checks.number("temperature", self.temperature, above=True)
        if checks.number("careless", self.careless) > 1:
            raise ValueError(f"careless is {self.careless!r}, expected a share from 0 to 1")

    def probability(self, lead: Tensor, tie: float = 0.0) -> Tensor:
        """How likely the first is preferred, by its lead in utility; of equals a coin decides.

        Args:
            lead: (...,) true utility of the first minus that of the second.
            tie: a lead up to here is none.
        """
        if self.temperature is None:
            read = torch.where(lead.abs() > tie, (lead > 0).to(lead), 0.5)
        else:
            read = (lead / self.temperature).sigmoid()
        return (1 - self.careless) * read + self.careless / 2

    def answers(self, lead: Tensor, luck: Tensor, tie: float = 0.0) -> Tensor:
        """Whether the first is preferred, booleans (N,).

        Args:
            lead, tie: as in `probability`.
            luck: (N,) uniform draws from [0, 1); the same luck gives the same answer.
        """
        return luck < self.probability(lead, tie)

    def draw(self, lead: Tensor, generator: torch.Generator, tie: float = 0.0) -> Tensor:
        """`answers`, by the luck of a generator."""
        return self.answers(lead, draws.uniform(generator, *lead.shape), tie)
