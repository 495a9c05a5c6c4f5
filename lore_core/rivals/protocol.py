"""One protocol for every method, LoRe included, so that a comparison is a loop.

A `Method` is data: its settings. Its `fit` learns from seen users and returns a `Model`, which

    knows      what it keeps of each seen user: `personal`, one row per user
    adapts     to new users from a few pairs, and leaves everything shared as it is
    scores     any response for any user: the reward r_u(x); margins are differences of scores

Shapes: M responses, d features, N users, B pairs or questions, p numbers kept per user.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from lore_core.evaluate import share_won
from lore_core.files import whole
from lore_core.preferences import Preferences, Responses


class Method(Protocol):
    """How to learn from seen users."""

    def fit(
        self,
        responses: Responses,
        train: Preferences,
        *,
        validation: Preferences | None = None,
        seed: int = 0,
        device=None,
    ) -> Model:
        """Learn from the pairs of N seen users.

        Args:
            responses: what is ranked.
            train: pairs of N users.
            validation: further pairs of the same users, used only to stop in time.
            seed: of every random draw; on a CPU one seed repeats exactly, on a GPU the order of
                sums may differ.
            device: where to compute; default a GPU if there is one.
        """


class Model(ABC):
    """What a method has learned.

    Args:
        personal: (N, p), what is kept of each seen user: weights, a latent, or a whole direction.
        parameter_count: how many numbers were trained, shared and personal, for the seen users.
    """

    kind: ClassVar[str]
    personal: Tensor
    parameter_count: int

    @abstractmethod
    def scores(self, responses: Responses, personal: Tensor, user: Tensor, rows: Tensor) -> Tensor:
        """Rewards r_u(x), (B,).

        Args:
            responses: what is ranked.
            personal: (N', p) of the users asked about.
            user, rows: (B,) which row of `personal`, and which response.
        """

    @abstractmethod
    def adapt(self, responses: Responses, shots: Preferences, seed: int = 0) -> Tensor:
        """What to keep of new users, (N', p), learned from their pairs alone.

        A user without pairs gets `crowd`. Nothing shared changes.

        Args:
            responses: what is ranked.
            shots: a few pairs of N' new users.
            seed: of a random start, where the method has one.
        """

    @abstractmethod
    def state(self) -> tuple[dict[str, Tensor], dict]:
        """All tensors, and the settings (as JSON knows them), from which `restore` makes a twin."""

    @classmethod
    @abstractmethod
    def restore(cls, tensors: dict[str, Tensor], settings: dict) -> Model:
        """The inverse of `state`."""

    @property
    def crowd(self) -> Tensor:
        """The average user, (p,): what we know of someone we know nothing about."""
        return self.personal.mean(0)

    def margins(
        self, responses: Responses, pairs: Preferences, personal: Tensor | None = None
    ) -> Tensor:
        """r_u(chosen) - r_u(rejected), (B,).

        Args:
            responses: what is ranked.
            pairs: B pairs of N' users.
            personal: (N', p); default, the seen users'.

        Raises:
            ValueError: there is not one row of `personal` per user.
        """
        personal = self.personal if personal is None else personal
        expected = pairs.n_users, self.personal.shape[1]
        if tuple(personal.shape) != expected:
            raise ValueError(
                f"personal has shape {tuple(personal.shape)}, expected {expected}: one row per "
                "user of these pairs; for new users pass what adapt returned"
            )
        pairs.check(responses)
        both = torch.cat([pairs.chosen, pairs.rejected])
        chosen, rejected = self.scores(responses, personal, pairs.user.repeat(2), both).chunk(2)
        return chosen - rejected

    def accuracy(
        self, responses: Responses, pairs: Preferences, personal: Tensor | None = None
    ) -> Tensor:
        """Share of each user's pairs that are ranked as the user did, (N',); see `margins`."""
        return share_won(self.margins(responses, pairs, personal), pairs)

    def save(self, path) -> None:
        """Write everything to a safetensors file, whole or not at all."""
        tensors, settings = self.state()
        about = {"about": json.dumps({"kind": self.kind} | settings)}
        with whole(path) as unfinished:
            save_file({k: t.cpu().contiguous() for k, t in tensors.items()}, unfinished, about)

    @classmethod
    def load(cls, path) -> Model:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds another kind of model.
        """
        if not Path(path).exists():
            raise FileNotFoundError(f"{path} does not exist; save a model there first")
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                settings = json.loads(file.metadata()["about"])
            if settings.pop("kind") != cls.kind:
                raise ValueError("another kind of model")
            return cls.restore(tensors, settings)
        except Exception as error:
            raise ValueError(f"{path} is not a saved {cls.__name__} ({error})") from error


def some_pairs(responses: Responses, pairs: Preferences) -> None:
    """Raise a ValueError unless there are pairs, and all of these responses."""
    if len(pairs) == 0:
        raise ValueError("no pairs to learn from; give at least one")
    pairs.check(responses)
