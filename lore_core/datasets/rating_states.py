"""What a language model's last MLP reads when it is asked to rate AlpacaEval's responses.

Rows are those of `alpaca_eval`: row = prompt * 8 + generator.  data/README.md says what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lore_core.datasets import shipped
from lore_core.datasets.alpaca_eval import whole
from lore_core.language_model.rating import LABELS
from lore_core.language_model.tail import WEIGHTS, Tail
from lore_core.tools import checks
from lore_core.tools.paths import DATA

FILE = DATA / "rating_states.safetensors"


@dataclass(frozen=True, eq=False)
class RatingStates:
    """The states of M responses, and the weights that make ratings of them.

    Args:
        state: (M, d) residual states of the prompt's last token after the last block's attention,
            float32 on the CPU.
        prompt: (M,) the prompt that each row answers.
        weights: of the tail, by the names of `tail.WEIGHTS`.
        heads: the head's rows of the labels, "digits" (5, d) and "letters" (6, d).
        eps: of the tail's norms.
    """

    state: Tensor
    prompt: Tensor
    weights: Mapping[str, Tensor]
    heads: Mapping[str, Tensor]
    eps: float

    def tail(self, labels: str = "digits") -> Tail:
        """The model from these states on, a copy of its own each time.

        Args:
            labels: "digits" (1 to 5) or "letters" (A to F).

        Raises:
            ValueError: there are no such labels.
        """
        checks.one_of("labels", labels, tuple(self.heads))
        return Tail(self.weights, self.heads[labels], self.eps)


def load(path: Path | str | None = None) -> RatingStates:
    """The states of the 6,440 responses.

    Args:
        path: another file that the build wrote; its checksum file lies beside it.

    Raises:
        FileNotFoundError: the file or its checksum is missing.
        ValueError: the file is damaged; the message says what to do.
    """
    expected = {"state", *WEIGHTS, *map(head_name, LABELS)}
    tensors, about = whole(path or shipped.path_of(FILE.name), expected)
    rows = torch.arange(len(tensors["state"]))
    return RatingStates(
        state=tensors["state"].float(),
        prompt=rows // len(about["generators"]),
        weights={name: tensors[name].float() for name in WEIGHTS},
        heads={labels: tensors[head_name(labels)].float() for labels in LABELS},
        eps=about["eps"],
    )


def head_name(labels: str) -> str:
    """What the file calls the head's rows of some labels."""
    return f"head_{labels}"
