"""One protocol for every method, LoRe included, so that a comparison is a loop.

A `Method` is data: its settings. Its `fit` learns from seen users and returns a `Model`, which

    knows      what it keeps of each seen user: `personal`, one row per user
    adapts     to new users from a few pairs, and leaves everything shared as it is
    scores     any response for any user: the reward r_u(x); margins are differences of scores

Shapes: M responses, d features, N users, B pairs or questions, p numbers kept per user.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from lore_core.preferences import Preferences, check_training, check_world
from lore_core.responses import Responses
from lore_core.tools import checks, devices, tensor_files
from lore_core.tools.devices import Device

TOO_LARGE = "embeddings or rates are too large for this model; use smaller ones"


class Given(NamedTuple):
    """What a method is given to learn from; the arguments of `Method.fit`."""

    responses: Responses
    train: Preferences
    validation: Preferences | None
    seed: int
    device: Device


class Method(ABC):
    """How to learn from seen users; a subclass says it in `_fit`."""

    def fit(
        self,
        responses: Responses,
        train: Preferences,
        *,
        validation: Preferences | None = None,
        seed: int = 0,
        device: Device = None,
    ) -> Model:
        """Learn from the pairs of N seen users.

        Args:
            responses: what is ranked.
            train: pairs of N users.
            validation: further pairs of the same users, used only to stop in time.
            seed: of every random draw; on a CPU one seed repeats exactly, on a GPU the order of
                sums may differ.
            device: where to compute; default a GPU if there is one.

        Returns:
            A Model, where the responses came from.

        Raises:
            ValueError: there are no pairs, or they are not of these responses.
            RuntimeError: torch cannot compute on the device.
        """
        return self._fit(
            Given(responses=responses, train=train, validation=validation, seed=seed, device=device)
        )

    @abstractmethod
    def _fit(self, given: Given) -> Model:
        """`fit`, from its arguments."""

    @abstractmethod
    def parameter_count(self, d: int, n_users: int) -> int:
        """How many numbers it trains on embeddings of d features and so many seen users."""


class Model(ABC):
    """What a method has learned.

    The public methods check what they are given; a subclass says how to score and how to adapt
    in `_scores` and `_adapt`.
    """

    kind: ClassVar[str]
    linear: ClassVar[bool] = False  # whether what all embeddings share cancels in a margin

    @property
    @abstractmethod
    def personal(self) -> Tensor:
        """What is kept of each seen user, (N, p): weights, a latent, or a whole direction."""

    @property
    @abstractmethod
    def parameter_count(self) -> int:
        """How many numbers were trained, shared and personal, for the seen users."""

    @property
    @abstractmethod
    def n_features(self) -> int:
        """d of the embeddings it was trained on."""

    @abstractmethod
    def _scores(self, responses: Responses, personal: Tensor, user: Tensor, rows: Tensor) -> Tensor:
        """`scores` of checked arguments."""

    @abstractmethod
    def _adapt(self, responses: Responses, shots: Preferences, seed: int) -> Tensor:
        """`adapt` to checked arguments."""

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

    def scores(self, responses: Responses, personal: Tensor, user: Tensor, rows: Tensor) -> Tensor:
        """Rewards r_u(x), (B,).

        Args:
            responses: what is ranked.
            personal: (N', p) of the users asked about.
            user, rows: (B,) which row of `personal`, and which response.

        Raises:
            ValueError: an id, a row or a shape does not fit.
        """
        self.check_features(responses)
        personal = self.checked(personal, len(personal))
        user, rows = checks.index_vector("user", user), checks.index_vector("rows", rows)
        checks.same_length("user", user, "rows", rows)
        checks.below("user", user, len(personal))
        checks.below("rows", rows, len(responses))
        return checks.finite("scores", self._scores(responses, personal, user, rows), TOO_LARGE)

    def adapt(self, responses: Responses, shots: Preferences, seed: int = 0) -> Tensor:
        """What to keep of new users, (N', p), learned from their pairs alone.

        A user without pairs gets `crowd`. Nothing shared changes.

        Args:
            responses: what is ranked.
            shots: a few pairs of N' new users.
            seed: of a random start, where the method has one.

        Raises:
            ValueError: a row does not exist, or the embeddings are of another width.
        """
        self.check_features(responses)
        check_world(responses, shots)
        checks.whole_number("seed", seed, at_least=0)
        shots = shots.to(responses.embeddings.device)
        return checks.finite("personal", self._adapt(responses, shots, seed), TOO_LARGE)

    def margins(
        self, responses: Responses, pairs: Preferences, personal: Tensor | None = None
    ) -> Tensor:
        """r_u(chosen) - r_u(rejected), (B,).

        Args:
            responses: what is ranked.
            pairs: B pairs of N' users.
            personal: (N', p); default, the seen users'.

        Raises:
            ValueError: there is not one row of `personal` per user, or a row is not what it should
                be, such as weights on the simplex.
        """
        self.check_features(responses)
        check_world(responses, pairs)
        personal = self.checked(self.personal if personal is None else personal, pairs.n_users)
        pairs = pairs.to(responses.embeddings.device)
        return checks.finite("margins", self._margins(responses, pairs, personal), TOO_LARGE)

    def _margins(self, responses: Responses, pairs: Preferences, personal: Tensor) -> Tensor:
        """`margins` of checked arguments: differences of scores, where no model knows better."""
        both = torch.cat([pairs.chosen, pairs.rejected])
        chosen, rejected = self._scores(responses, personal, pairs.user.repeat(2), both).chunk(2)
        return chosen - rejected

    def comparable(self, responses: Responses) -> Responses:
        """The responses as this model compares them: without what cancels in every difference."""
        return responses.centred() if self.linear else responses

    def checked(self, personal: Tensor, n_users: int) -> Tensor:
        """`personal` itself, or a ValueError unless it is one finite row for each user."""
        personal = checks.float_matrix("personal", personal)
        expected = n_users, self.personal.shape[1]
        if tuple(personal.shape) != expected:
            raise ValueError(
                f"personal has shape {tuple(personal.shape)}, expected {expected}: one row per "
                "user of these pairs; for new users pass what adapt returned"
            )
        return personal.to(self.personal)

    def check_features(self, responses: Responses) -> None:
        """Raise a ValueError unless these are responses of the width that the model knows."""
        checks.instance_of("responses", responses, Responses)
        given = responses.embeddings.shape[1]
        if given != self.n_features:
            raise ValueError(
                f"embeddings have {given} features, the model has {self.n_features}; use the "
                "embeddings that it was trained on"
            )

    def save(self, path: Path | str) -> None:
        """Write everything to a safetensors file, whole or not at all."""
        tensors, settings = self.state()
        tensor_files.write(path, tensors, {"kind": self.kind, "settings": settings})

    @classmethod
    def load(cls, path: Path | str) -> Model:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds another kind of model.
        """
        try:
            tensors, about = tensor_files.read(path)
            if about.get("kind") != cls.kind:
                raise ValueError(f"another kind of model: {about.get('kind')}")
            for name, tensor in tensors.items():
                checks.finite(name, tensor, "save it again")
            return cls.restore(tensors, about["settings"])
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{path} does not exist; save a model there first") from error
        except Exception as error:  # `restore` may stumble over anything
            raise ValueError(f"{path} is not a saved {cls.__name__} ({error})") from error


def training_data(
    responses: Responses,
    pairs: Preferences,
    validation: Preferences | None,
    seed: int,
    device: Device,
) -> tuple[Responses, Preferences]:
    """What a method learns from, checked and brought to the device.

    Args:
        responses, pairs, validation, seed: as in `Method.fit`; the last two are checked only.
        device: as `devices.pick` knows it.

    Raises:
        ValueError: there are no pairs, or they are not of these responses.
        RuntimeError: torch cannot compute on the device.
    """
    device = devices.pick(device)
    checks.whole_number("seed", seed, at_least=0)
    check_training(responses, pairs, validation)
    return responses.to(device), pairs.to(device)
