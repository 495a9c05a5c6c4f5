"""LoRe's basis rewards of new text: read, measured in the data's units, multiplied with the basis.

Shapes: m chats, d features, K basis rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lore_core.datasets import alpaca_eval
from lore_core.datasets.encoders import SMOLLM2, Encoder
from lore_core.datasets.encoders import encoder as named
from lore_core.datasets.vectors import read_once
from lore_core.language_model.messages import Chat
from lore_core.tools import checks
from lore_core.tools.checks import float_matrix, set_field


@dataclass(frozen=True, eq=False)
class TextReward:
    """What K basis rewards say of text: reward(chats) is (m, K).

    Args:
        encoder: what read the responses that the basis was fitted on.
        basis: V, (d, K).
        scale: (2, d) mean and standard deviation of each feature in those responses, or None if
            they were taken as the encoder gave them.
        cache: folder for what was read; default `lore_core.tools.paths.cache()`.

    Raises:
        ValueError: the three are of different widths.
    """

    encoder: Encoder
    basis: Tensor
    scale: Tensor | None = None
    cache: Path | str | None = None

    def __post_init__(self) -> None:
        set_field(self, "basis", float_matrix("basis", self.basis).double())
        widths = [len(self.basis), self.encoder.n_features]
        if self.scale is not None:
            set_field(self, "scale", float_matrix("scale", self.scale).double())
            widths.append(self.scale.shape[1])
        if len(set(widths)) > 1 or (self.scale is not None and len(self.scale) != 2):
            raise ValueError(
                f"the basis has {widths[0]} features and {self.encoder.name} reads {widths[1]}, "
                f"with a scale of shape {None if self.scale is None else tuple(self.scale.shape)}; "
                "use the encoder and the scale of the responses that the basis was fitted on"
            )

    @classmethod
    def of_alpaca_eval(cls, basis: Tensor, cache: Path | str | None = None) -> TextReward:
        """The reward of a basis that was fitted on `alpaca_eval.load()`.

        Args:
            basis: (576, K).
            cache: as in the class.

        Raises:
            OSError: the language model cannot be had; `make model` brings it.
        """
        tensors, _ = alpaca_eval.read(alpaca_eval.states(None, SMOLLM2))
        return cls(named(SMOLLM2, aloud=False), basis, tensors["scale"], cache)

    def __call__(self, chats: Sequence[Chat]) -> Tensor:
        """Basis scores of m pairs of a prompt and its response, (m, K) float64."""
        rows = read_once(chats, self.encoder, self.cache, progress=False).double()
        if self.scale is not None:
            rows = (rows - self.scale[0]) / self.scale[1]
        return checks.finite("basis scores", rows @ self.basis, "look at the texts and the basis")
