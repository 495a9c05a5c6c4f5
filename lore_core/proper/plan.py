"""What the road from LaMP's files to personal answers is to be: which model, users and recipe."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from lore_core.proper.recipe import PAPER, Recipe, Stage
from lore_core.tasks.lamp_plan import LampPlan
from lore_core.tasks.lamp_users import Users, read_either
from lore_core.tools import checks

OURS = replace(
    Recipe(),
    population=PAPER.population,
    group=Stage(learning_rate=1e-3, passes=1, batch=8),
    start="random",
)
RECIPES = {"ours": OURS, "paper": PAPER}


@dataclass(frozen=True)
class Plan(LampPlan):
    """What is to be done; for the other arguments see `tasks.lamp_plan.LampPlan`.

    Args:
        lamp: folder with LaMP's files, in either layout, see `tasks.lamp`.
        recipe: how the stages are trained.
        part: of LaMP's own layout, whose users they are.

    Raises:
        ValueError: the recipe cannot be followed with texts, or an option is unknown.
    """

    recipe: Recipe = OURS
    part: str = "dev"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.instance_of("recipe", self.recipe, Recipe)
        if self.recipe.start == "informed":
            raise ValueError('start is "informed", which texts cannot be; take start="random"')
        if self.recipe.routes == "given":
            raise ValueError('routes are "given", but nobody knows the groups of these users')

    @cached_property
    def users(self) -> Users:
        """Who they are."""
        found = read_either(self.lamp, self.task, self.part, self.limit)
        m = self.recipe.n_experts
        if self.recipe.group and self.recipe.routes in ("posterior", "hard"):
            if len(found.names) < m:
                raise ValueError(f"{len(found.names)} users for {m} groups; choose n_experts below")
        return found

    @property
    def settings(self) -> dict[str, Any]:
        """All that the result depends on."""
        return super().settings | {"part": self.part, "recipe": asdict(self.recipe)}
