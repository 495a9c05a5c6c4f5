"""How a profile in the prompt moves SmolLM2's states: 200 raters of AlpacaEval, as numbers.

The raters are those of `tasks.rating.make(alpaca_eval.load(), SEED, PANEL)` who take part from the
first.  data/README.md says what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lore_core.datasets import shipped
from lore_core.datasets.alpaca_eval import whole
from lore_core.language_model.decoder import fingerprint
from lore_core.tasks.panel import Panel
from lore_core.tools import checks
from lore_core.tools.paths import DATA

FILE = DATA / "shifts.safetensors"
PANEL = Panel(n_users=200)
SEED = 0
# own, again: two draws of each user's own items and queries, which share none.  other: another
# user's items.  random: as much text of nobody's.  shuffled: own's tokens in random order.
KINDS = ("own", "again", "other", "random", "shuffled")
USERS = ("user", "partner", "group", "length", "taste")


@dataclass(frozen=True, eq=False)
class PromptShifts:
    """The mean shifts of N users at L layers, by what stood in the prompt.

    Args:
        shift: (N, L, d) float32 of each of KINDS.
        layers: L of them, numbers of blocks or "tail"; see `language_model.last_token`.
        user: (N,) their numbers in the task.
        partner: (N,) whose items "other" shows.
        group: (N,) in truth.
        length: (N,) items in the history.
        taste: (N, T) in truth.
        traits: T names.
        weights: checksum of the model that was read.
    """

    shift: Mapping[str, Tensor]
    layers: tuple[int | str, ...]
    user: Tensor
    partner: Tensor
    group: Tensor
    length: Tensor
    taste: Tensor
    traits: tuple[str, ...]
    weights: str

    def at(self, kind: str, layer: int | str) -> Tensor:
        """The shifts Δ of one kind at one layer, (N, d) float32.

        Raises:
            ValueError: there is no such kind or layer.
        """
        checks.one_of("kind", kind, tuple(self.shift))
        if layer not in self.layers:
            known = ", ".join(map(str, self.layers))
            raise ValueError(f"layer is {layer!r}, but these shifts were read at {known}")
        return self.shift[kind][:, self.layers.index(layer)]

    def check(self, model: Any) -> None:
        """Make sure that these shifts are a model's own.

        Args:
            model: a decoder, as `causal.load` gives it.

        Raises:
            ValueError: another model was read, whose directions mean nothing to this one.
        """
        found = fingerprint(model.base_model)
        if found != self.weights:
            raise ValueError(
                f"these shifts were read from a model whose weights have the checksum "
                f"{self.weights[:12]}…, but this one's is {found[:12]}…; read them anew with "
                "`make data`, or load the model that `make model` makes"
            )


def load(path: Path | str | None = None) -> PromptShifts:
    """The shifts of the 200 raters.

    Args:
        path: another file that the build wrote; its checksum file lies beside it.

    Raises:
        FileNotFoundError: the file or its checksum is missing.
        ValueError: the file is damaged; the message says what to do.
    """
    tensors, about = whole(path or shipped.path_of(FILE.name), {*KINDS, *USERS})
    remedy = "build the file again with `make data`"
    return PromptShifts(
        shift={kind: checks.finite(kind, tensors[kind].float(), remedy) for kind in KINDS},
        layers=tuple(about["layers"]),
        taste=tensors["taste"].double(),
        traits=tuple(about["traits"]),
        weights=about["weights"],
        **{name: tensors[name].long() for name in USERS if name != "taste"},
    )
