"""Many users served by one language model: nothing of their own, or shifts.

Each way holds some users in memory and turns from one to another, or reads one from the disk into
the place of whom it holds. The numbers are drawn, not trained: what they cost does not depend on
what they say. Adapters are in `serving_adapters`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lore_core.perfit import kept_users, start
from lore_core.perfit.attach import block_of
from lore_core.perfit.intervention import Intervention, Interventions
from lore_core.perfit.nudge import Nudge
from lore_core.perfit.presets import SCALED, Preset
from lore_core.perfit.shifted import Shifted
from lore_core.tools import draws

PRESET = SCALED["news_headline"]
SPREAD = 0.01  # of what is drawn in the place of learned numbers


class Served:
    """A model that is the same for everybody, and what the other ways have in common.

    Args:
        net: a decoder with its head.
        files: what each user has on the disk.
    """

    def __init__(self, net: Any, files: Sequence[Sequence[Path]]) -> None:
        self.net, self.files = net, files

    def weights(self) -> Iterable[Tensor]:
        """All that lies in memory."""
        return self.net.parameters()

    def check(self) -> None:
        """Make sure that users' files fit the model; once is enough for all of them."""

    def alone(self) -> Served:
        """The same, with the first user alone in memory."""
        return self

    def read(self, user: int) -> None:
        """From the disk: serve a user in the place of whom `alone` holds."""

    def turn(self, user: int) -> None:
        """From memory: serve a user who is held."""

    @contextmanager
    def speaking(self) -> Iterator[Any]:
        """As long as the context lasts: the model, as the user's whose turn it is."""
        yield self.net


class Shifts(Served):
    """φ_c for everybody and φ_u of each user, see `perfit`.

    Args:
        shifted: the model and its users.
        paths: of the users' files.
        stands_on: what the files say that they were made for.
    """

    def __init__(self, shifted: Shifted, paths: Sequence[Path], stands_on: str) -> None:
        super().__init__(shifted.net, [[path] for path in paths])
        self.shifted, self.stands_on, self.user = shifted, stands_on, torch.tensor([0])

    @classmethod
    def drawn(
        cls, net: Any, folder: Path, n: int, source: torch.Generator, preset: Preset = PRESET
    ) -> Shifts:
        """n users with numbers of their own, in memory and on the disk."""
        nudges, d = {}, net.config.get_text_config().hidden_size
        for layer in preset.layers:
            block_of(net, layer)  # else it would be missed only when somebody speaks
            shared = Intervention(start.random(source, preset.shared_rank, d))
            own = Interventions(n, start.random(source, preset.user_rank, d))
            for part in (shared, own):  # R stays orthonormal
                stir([part.W, part.b], source)
            nudges[str(layer)] = Nudge(shared, own)
        shifted = Shifted(net, nudges, preset.recipe(), n)
        return cls(shifted, kept_users.save_users(shifted, folder), kept_users.footing(shifted))

    def weights(self) -> Iterable[Tensor]:
        parts = [self.net, *self.shifted.nudges.values()]
        return (weight for part in parts for weight in part.parameters())

    def check(self) -> None:
        kept_users.footing(self.shifted)

    def alone(self) -> Shifts:
        found = Shifts(self.shifted.copy(), [path for [path] in self.files], self.stands_on)
        found.read(0)
        return found

    def read(self, user: int) -> None:
        kept_users.put_users(self.shifted, self.files[user], self.stands_on)

    def turn(self, user: int) -> None:
        self.user = torch.tensor([user])

    @contextmanager
    def speaking(self) -> Iterator[Any]:
        with self.shifted.attached() as reading:
            reading.user = self.user
            yield self.net


@torch.no_grad()
def stir(weights: Iterable[Tensor], source: torch.Generator) -> None:
    """Add small draws to some weights."""
    for weight in weights:
        weight.add_(SPREAD * draws.normal(source, *weight.shape).to(weight))
