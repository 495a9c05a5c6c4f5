"""What the published README sets for three tasks of LaMP, and the same for a smaller model.

Source: README of JiahongLiu21/PerFit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lore_core.perfit.positions import Positions
from lore_core.perfit.recipe import PAPER, Recipe
from lore_core.tools import checks

LLAMA = (32, 4096)  # blocks and width of the model that the presets were made for
SMOLLM2 = (30, 576)


@dataclass(frozen=True)
class Preset:
    """Ranks, layers and positions of one task.

    Args:
        shared_rank, user_rank: r of stage 1 and of stage 2.
        layers: numbers of the blocks whose outputs are moved.
        positions: which tokens of the prompt.
        epochs: passes over the items; the README names one number, which we take for both stages.

    Raises:
        ValueError: a number is out of range, or positions are written otherwise.
    """

    shared_rank: int
    user_rank: int
    layers: tuple[int, ...]
    positions: str
    epochs: int

    def __post_init__(self) -> None:
        sizes = {"shared_rank": self.shared_rank, "user_rank": self.user_rank}
        checks.whole_numbers(1, **sizes, epochs=self.epochs)
        checks.whole_numbers(0, **{f"layers[{i}]": at for i, at in enumerate(self.layers)})
        if not self.layers:
            raise ValueError("layers is empty; name at least one block whose output is moved")
        Positions.parse(self.positions)

    @property
    def flags(self) -> dict[str, str]:
        """The preset as the README's flags have it."""
        return {
            "--low_rank_dimension": str(self.shared_rank),
            "--user_low_rank_dimension": str(self.user_rank),
            "--intervene_layer": ";".join(map(str, self.layers)),
            "--positions": self.positions,
            "--max_epoch": str(self.epochs),
        }

    def recipe(self, base: Recipe = PAPER) -> Recipe:
        """A recipe with this preset's ranks, layers, positions and passes.

        Raises:
            ValueError: `base` lacks a stage.
        """
        if base.shared is None or base.personal is None:
            raise ValueError("a preset is for both stages; give a recipe that has them")
        return replace(
            base,
            shared=replace(base.shared, rank=self.shared_rank, passes=self.epochs),
            personal=replace(base.personal, rank=self.user_rank, passes=self.epochs),
            layers=self.layers,
            positions=self.positions,
        )

    def scaled(self, n_layers: int, width: int, before: tuple[int, int] = LLAMA) -> Preset:
        """The same at the same relative depth, with ranks that are smaller as the width is.

        Args:
            n_layers, width: of the other model.
            before: of the model that the preset was made for.
        """
        checks.whole_numbers(1, n_layers=n_layers, width=width)
        deep, times = before[0], max(1, round(before[1] / width))
        layers = dict.fromkeys(round(at * n_layers / deep) for at in self.layers)
        ranks = [max(1, round(r / times)) for r in (self.shared_rank, self.user_rank)]
        return replace(self, shared_rank=ranks[0], user_rank=ranks[1], layers=tuple(layers))


def layers_of(text: str) -> tuple[int, ...]:
    """Numbers of blocks as the README's flag has them: 14;15;16.

    Raises:
        ValueError: it is written otherwise.
    """
    parts = str(text).split(";")
    if not all(part.strip().isdecimal() for part in parts):
        raise ValueError(
            f"layers are {text!r}, expected numbers of blocks, from 0, with semicolons between "
            "them, such as 14;15;16 (quote them for the shell)"
        )
    return tuple(int(part) for part in parts)


PRESETS = {
    "movie_tagging": Preset(32, 4, (14, 15), "f7+l7", 4),
    "news_categorize": Preset(16, 32, (14, 15, 16), "f7+l7", 6),
    "news_headline": Preset(32, 4, (14, 15, 16), "l7", 4),
}

# For 30 blocks of width 576: computed, not chosen; what a task wants is chosen on its validation
# users.
SCALED = {name: preset.scaled(*SMOLLM2) for name, preset in PRESETS.items()}
