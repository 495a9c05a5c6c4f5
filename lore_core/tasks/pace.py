"""How some numbers are trained on items, as data: how fast, how long, and what counts how much."""

from __future__ import annotations

from dataclasses import dataclass

from lore_core.tools import checks


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How the numbers of one stage are trained.

    Args:
        learning_rate: the largest, after the warm-up; it then falls to 0 along a half cosine.
        passes: how often every item is seen.
        optimizer: "adam" or "sgd" (with momentum .9).
        batch: items per step, whose losses are averaged. None takes all items at each step, and a
            user's n losses count 1 / (n + shrink) each. What a user learns then does not depend on
            who else is there, and who has said little moves little.
        shrink: see there; in items.
        warm_up: steps in which the learning rate grows.
        clip: the largest norm of a gradient; None for no limit. Without a batch there is none.
        weight_decay: share of a weight, times the learning rate, that is lost at each step.

    Raises:
        ValueError: an option is unknown, or a number is out of range.
    """

    learning_rate: float = 3e-3
    passes: int = 8
    optimizer: str = "adam"
    batch: int | None = 128
    shrink: float = 8.0
    warm_up: int = 10
    clip: float | None = 1.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        checks.whole_numbers(0, passes=self.passes, warm_up=self.warm_up)
        checks.number("learning_rate", self.learning_rate, above=True)
        for name in ("shrink", "weight_decay"):
            checks.number(name, getattr(self, name))
        checks.one_of("optimizer", self.optimizer, ("adam", "sgd"))
        if self.batch is not None:
            checks.whole_number("batch", self.batch, at_least=1)
        if self.clip is not None:
            checks.number("clip", self.clip, above=True)
