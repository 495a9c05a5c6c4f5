"""What the road from PerFit's files to personal answers is to be: model, users, preset, recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from lore_core.perfit.orthonormal import at_most_wide
from lore_core.perfit.presets import PRESETS, Preset
from lore_core.perfit.recipe import PAPER, Recipe
from lore_core.tasks.lamp_plan import LampPlan
from lore_core.tasks.lamp_users import Users, read_tuned
from lore_core.tools import checks

SCALED, PUBLISHED = "scaled", "published"


@dataclass(frozen=True)
class Plan(LampPlan):
    """What is to be done; for the other arguments see `tasks.lamp_plan.LampPlan`.

    Args:
        lamp: folder with the three files of per-user tuning, see `tasks.lamp`.
        task: "movie_tagging", "news_categorize" or "news_headline".
        preset: "scaled", the task's published preset at the model's own depth and width; or
            "published", as it is, for 32 blocks of width 4096.
        changes: of the preset, by the names of its fields.
        base: the rest of the recipe, which starts at random.

    Raises:
        ValueError: the recipe cannot be followed with texts, or an option is unknown.
    """

    preset: str = SCALED
    changes: Mapping[str, Any] = field(default_factory=dict)
    base: Recipe = PAPER

    def __post_init__(self) -> None:
        checks.one_of("task", self.task, tuple(PRESETS))
        checks.one_of("preset", self.preset, (SCALED, PUBLISHED))
        checks.instance_of("base", self.base, Recipe)
        super().__post_init__()
        for name in ("start", "user_start"):
            if getattr(self.base, name) != "random":
                raise ValueError(
                    f'{name} is "{getattr(self.base, name)}", which this road cannot follow with '
                    'texts; take "random"'
                )
        replace(PRESETS[self.task], **self.changes)

    @cached_property
    def users(self) -> Users:
        """Who they are."""
        return read_tuned(self.lamp, self.task, self.limit)

    @property
    def size(self) -> tuple[int, int]:
        """Blocks and width of the model."""
        config = self.checkpoint.config.get_text_config()
        return config.num_hidden_layers, config.hidden_size

    @cached_property
    def chosen(self) -> Preset:
        """The preset for this model.

        Raises:
            ValueError: the model has no such block, or is not as wide as a rank.
        """
        found, (n_layers, width) = PRESETS[self.task], self.size
        if self.preset == SCALED:
            found = found.scaled(n_layers, width)
        found = replace(found, **self.changes)
        if max(found.layers) >= n_layers:
            raise ValueError(
                f"layer {max(found.layers)} is to be moved, but the model has {n_layers} blocks, "
                f"counted from 0 to {n_layers - 1}; name others, or take the preset {SCALED!r}"
            )
        at_most_wide(found.shared_rank, width)
        at_most_wide(found.user_rank, width)
        return found

    @cached_property
    def recipe(self) -> Recipe:
        """How both stages are trained."""
        return self.chosen.recipe(self.base)

    @property
    def in_words(self) -> str:
        """The preset in a line, and where it comes from."""
        (n_layers, width), flags = self.size, self.chosen.flags
        words = ", ".join(f"{name.removeprefix('--')} {value}" for name, value in flags.items())
        whose = f"the {self.preset} preset of {self.task}" + (", changed" if self.changes else "")
        return f"{words} ({whose}; the model has {n_layers} blocks of width {width})"

    @property
    def settings(self) -> dict[str, Any]:
        """All that the result depends on."""
        return super().settings | {"recipe": asdict(self.recipe)}


def paced(base: Recipe, **changes: Any) -> Recipe:
    """A recipe whose two stages are paced otherwise, such as in batches of another size."""
    stages = {name: replace(getattr(base, name), **changes) for name in base.stages}
    return replace(base, **stages)
