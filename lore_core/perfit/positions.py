"""Which tokens of a prompt are moved: some at its beginning, some at its end.

Shapes: n texts, t tokens, padding included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from lore_core.tools import checks

GRAMMAR = re.compile(r"(?:f(?P<first>[1-9]\d*))?(?P<and>\+)?(?:l(?P<last>[1-9]\d*))?")


@dataclass(frozen=True)
class Positions:
    """The first and the last tokens of a prompt; all of them if it is shorter, each once.

    Args:
        first, last: how many; one of them may be 0.

    Raises:
        ValueError: a number is below 0, or both are 0.
    """

    first: int = 0
    last: int = 0

    def __post_init__(self) -> None:
        checks.whole_numbers(0, first=self.first, last=self.last)
        if self.first + self.last == 0:
            raise ValueError("first and last are 0, expected at least one token to be moved")

    @classmethod
    def parse(cls, text: str) -> Positions:
        """Positions as PerFit writes them: f7+l7, l7, f3.

        Raises:
            ValueError: it is written otherwise.
        """
        found = GRAMMAR.fullmatch(text) if isinstance(text, str) else None
        first, last = (found["first"], found["last"]) if found else (None, None)
        if not found or bool(found["and"]) != bool(first and last) or not (first or last):
            raise ValueError(
                f"positions is {text!r}, expected fN for the first N tokens of the prompt, lN for "
                "its last N, or fN+lM for both, such as f7+l7, l7 or f3"
            )
        return cls(int(first or 0), int(last or 0))

    def __str__(self) -> str:
        parts = [f"f{self.first}" if self.first else "", f"l{self.last}" if self.last else ""]
        return "+".join(part for part in parts if part)

    def of(self, prompt: Tensor) -> Tensor:
        """Which tokens are moved, (n, t) bool.

        Args:
            prompt: (n, t) which tokens are the prompt's; padding on either side is none of them.
        """
        prompt = prompt.bool()
        place = prompt.long().cumsum(1)  # from 1 within the prompt
        ahead = place[:, -1:] - place  # tokens of the prompt that follow
        return prompt & ((place <= self.first) | (ahead < self.last))
