"""One linear model per user, drawn to a shared one, or to those of users who are alike.

    r_u(x) = e(x) · v_u        v_u fitted to the user's own pairs, see `ridge_logistic.py`

Shapes: N users, d features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lore_core.likeness import likeness
from lore_core.methods import parameter_count
from lore_core.methods.protocol import Given, Method, Model, training_data
from lore_core.methods.ridge_logistic import ridge_logistic
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.scale import check_scale, pair_scale
from lore_core.scores import compared
from lore_core.tools import checks


@dataclass(frozen=True, eq=False)
class PerUserModel(Model):
    """A direction for each user.

    Seen users are drawn to v, `shared`. So is a new one if `centre` is "shared"; if it is
    "posterior", towards those seen users who explain their pairs, see `like_minded`.
    """

    kind: ClassVar[str] = "one model per user"
    linear: ClassVar[bool] = True
    directions: Tensor
    shared: Tensor
    ridge: float
    trained: int
    centre: str

    @property
    def personal(self) -> Tensor:
        return self.directions

    @property
    def parameter_count(self) -> int:
        return self.trained

    @property
    def n_features(self) -> int:
        return len(self.shared)

    @property
    def crowd(self) -> Tensor:
        return self.shared

    def _scores(self, responses: Responses, personal: Tensor, user: Tensor, rows: Tensor) -> Tensor:
        everybody = personal @ responses.embeddings.to(personal).T  # (N, M): score once
        return everybody[user, rows]

    def _margins(self, responses: Responses, pairs: Preferences, personal: Tensor) -> Tensor:
        rows, pairs = compared(responses, pairs)
        everybody = personal @ rows.to(personal).T
        return everybody[pairs.user, pairs.chosen] - everybody[pairs.user, pairs.rejected]

    def _adapt(self, responses: Responses, shots: Preferences, seed: int) -> Tensor:
        centre = self.shared
        if self.centre == "posterior":
            centre = self.like_minded(responses, shots)
        return ridge_logistic(responses, shots, centre, self.ridge)

    def like_minded(self, responses: Responses, shots: Preferences) -> Tensor:
        """Where new users are drawn to, (N', d): v, moved as far as those move who are alike.

        The mean of the seen users' directions moves, if each counts by `likeness` and no longer
        like everybody else; somebody whose pairs say nothing stays at v.
        """
        rows, pairs = compared(responses, shots)
        rows, seen = rows.double(), self.directions.to(rows.device).double()
        gaps = rows[pairs.chosen] - rows[pairs.rejected]
        like = likeness(lambda some: gaps[some] @ seen.T, pairs, len(seen))
        return self.shared.to(seen) + (like - 1 / len(seen)) @ seen

    def state(self) -> tuple[dict[str, Tensor], dict]:
        tensors = {"directions": self.directions, "shared": self.shared}
        return tensors, {"ridge": self.ridge, "trained": self.trained, "centre": self.centre}

    @classmethod
    def restore(cls, tensors: dict[str, Tensor], settings: dict) -> PerUserModel:
        return cls(
            directions=tensors["directions"],
            shared=tensors["shared"],
            ridge=settings["ridge"],
            trained=settings["trained"],
            centre=settings["centre"],
        )


@dataclass(frozen=True)
class PerUser(Method):
    """One ridge logistic regression per user.

    Args:
        ridge: above 0. λ of `ridge_logistic.py` is this times the mean square of the pair
            differences, so that it means the same for every encoder.
        towards: a method whose single direction users are drawn to; None draws them to zero.
        centre: where new users are drawn to: "shared", to the same direction as seen users, or
            "posterior", from there towards those seen users who explain their pairs.
    """

    ridge: float = 0.1
    towards: Method | None = None
    centre: str = "posterior"

    def __post_init__(self) -> None:
        checks.number("ridge", self.ridge, above=True)
        checks.one_of("centre", self.centre, ("shared", "posterior"))
        if isinstance(self.towards, type) or not hasattr(self.towards or self, "fit"):
            raise ValueError(f"towards is {self.towards!r}, expected a method or None")

    def _fit(self, given: Given) -> PerUserModel:
        data, pairs = training_data(*given)
        check_scale(data, pairs)
        d = given.responses.embeddings.shape[1]
        shared = given.responses.embeddings.new_zeros(d)
        if self.towards is not None:
            model = self.towards.fit(
                given.responses,
                given.train,
                validation=given.validation,
                seed=given.seed,
                device=given.device,
            )
            if not hasattr(model, "reward") or model.reward.rank != 1:
                raise ValueError(f"{self.towards} has no single direction to draw users to")
            shared = model.reward.basis[:, 0]
        ridge = self.ridge * pair_scale(data, pairs) ** 2
        directions = ridge_logistic(data, pairs, shared.to(pairs.user.device), ridge)
        personal = directions.to(shared.device)
        count = self.parameter_count(d, given.train.n_users)
        return PerUserModel(
            directions=personal, shared=shared, ridge=ridge, trained=count, centre=self.centre
        )

    def parameter_count(self, d: int, n_users: int) -> int:
        """Numbers trained on embeddings of d features and so many seen users."""
        towards = 0 if self.towards is None else self.towards.parameter_count(d, n_users)
        return parameter_count.per_user(d, n_users) + towards
