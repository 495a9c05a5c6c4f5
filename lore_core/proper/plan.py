"""What the road from LaMP's files to personal answers is to be: which model, users and recipe."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lore_core.language_model import causal
from lore_core.language_model.checkpoint import Checkpoint, find
from lore_core.proper.recipe import PAPER, Recipe, Stage
from lore_core.tasks.lamp_tasks import task_of
from lore_core.tasks.lamp_users import Users, read_either
from lore_core.tools import checks, draws
from lore_core.tools.devices import Device

OURS = replace(
    Recipe(),
    population=PAPER.population,
    group=Stage(learning_rate=1e-3, passes=1, batch=8),
    start="random",
)
RECIPES = {"ours": OURS, "paper": PAPER}


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Args:
        model: a folder, or a name on the Hub.
        lamp: folder with LaMP's files, in either layout, see `tasks.lamp`.
        task: such as "LaMP_3".
        out: folder for all that is made.
        recipe: how the stages are trained.
        part: of LaMP's own layout, whose users they are.
        kind: of number, "float32" or "bfloat16"; adapters are float32.
        device: where it computes; default a GPU if there is one.
        seed: of all draws.
        limit: take so many users at most.
        tokens: of a prompt, at most.
        budget: tokens that are in memory at once; results do not depend on it, but for rounding.

    Raises:
        ValueError: the recipe cannot be followed with texts, or an option is unknown.
    """

    model: Path | str
    lamp: Path | str
    task: str
    out: Path | str
    recipe: Recipe = OURS
    part: str = "dev"
    kind: str = "float32"
    device: Device = None
    seed: int = 0
    limit: int | None = None
    tokens: int = 512
    budget: int = causal.BUDGET

    def __post_init__(self) -> None:
        task_of(self.task)
        checks.instance_of("recipe", self.recipe, Recipe)
        checks.one_of("kind", self.kind, causal.KINDS)
        checks.whole_numbers(1, tokens=self.tokens, budget=self.budget)
        draws.generator(self.seed)
        if self.recipe.start == "informed":
            raise ValueError('start is "informed", which texts cannot be; take start="random"')
        if self.recipe.routes == "given":
            raise ValueError('routes are "given", but nobody knows the groups of these users')

    @property
    def folder(self) -> Path:
        """Where everything goes."""
        return Path(self.out)

    @cached_property
    def users(self) -> Users:
        """Who they are."""
        found = read_either(self.lamp, self.task, self.part, self.limit)
        m = self.recipe.n_experts
        if self.recipe.group and self.recipe.routes in ("posterior", "hard"):
            if len(found.names) < m:
                raise ValueError(f"{len(found.names)} users for {m} groups; choose n_experts below")
        return found

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The model's files."""
        return find(self.model)

    @property
    def settings(self) -> dict[str, Any]:
        """All that the result depends on."""
        same = ("part", "kind", "seed", "limit", "tokens")
        return {name: getattr(self, name) for name in same} | {
            "task": task_of(self.task).name,
            "recipe": asdict(self.recipe),
            "model": self.checkpoint.fingerprint,
            "users": self.users.fingerprint,
        }
