"""What a language model's last MLP reads when it is asked to rate AlpacaEval's responses.

Rows are those of `alpaca_eval`: row = prompt * 8 + generator.  data/README.md describes the tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from lore_core.datasets import shipped
from lore_core.datasets.alpaca_eval import whole
from lore_core.tools import checks
from lore_core.tools.paths import DATA

if TYPE_CHECKING:
    from lore_core.language_model.tail import Tail

FILE = DATA / "rating_states.safetensors"
LABELS = ("digits", "letters")


def head_name(labels: str) -> str:
    """What the file calls the head's rows of some labels."""
    return f"head_{labels}"
