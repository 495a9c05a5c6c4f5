"""One linear model per user, nothing shared but the point to which it is drawn.

    minimise over v_u    Σ_b log(1 + exp(-x_b · v_u))  +  ridge / 2 · ||v_u - v||²

x_b = e(chosen_b) - e(rejected_b). A user's few differences span everything their pairs can say, so
v_u = v + Σ_b a_b x_b, and Newton's method runs on the n numbers a instead of the d of v_u.

Shapes: N users, n pairs each, d features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from lore_core.initial import check_scale
from lore_core.methods import parameter_count
from lore_core.methods.protocol import Method, Model, training_data
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.scores import compared
from lore_core.tools import checks
from lore_core.tools.ragged import rectangles

CELLS = 2**14  # differences held at once: bounds the memory
STEPS = 50  # of Newton's method; a handful is the rule
LOST = 1e-12  # of the largest inner product: a ridge below that has few digits left in float64


@dataclass(frozen=True, eq=False)
class PerUserModel(Model):
    """A direction for each user; v, the one they are drawn to, is all that is shared."""

    kind: ClassVar[str] = "one model per user"
    linear: ClassVar[bool] = True
    personal: Tensor
    shared: Tensor
    ridge: float
    parameter_count: int

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
        rows, pairs = compared(responses.embeddings, pairs)
        everybody = personal @ rows.to(personal).T
        return everybody[pairs.user, pairs.chosen] - everybody[pairs.user, pairs.rejected]

    def _adapt(self, responses: Responses, shots: Preferences, seed: int) -> Tensor:
        return ridge_logistic(responses, shots, self.shared, self.ridge)

    def state(self) -> tuple[dict[str, Tensor], dict]:
        tensors = {"personal": self.personal, "shared": self.shared}
        return tensors, {"ridge": self.ridge, "parameter_count": self.parameter_count}

    @classmethod
    def restore(cls, tensors: dict[str, Tensor], settings: dict) -> PerUserModel:
        return cls(**tensors, **settings)


@dataclass(frozen=True)
class PerUser:
    """One ridge logistic regression per user.

    Args:
        ridge: λ > 0.
        towards: a method whose single direction users are drawn to; None draws them to zero.
    """

    ridge: float = 0.1
    towards: Method | None = None

    def __post_init__(self):
        checks.number("ridge", self.ridge, above=True)
        if isinstance(self.towards, type) or not hasattr(self.towards or self, "fit"):
            raise ValueError(f"towards is {self.towards!r}, expected a method or None")

    def fit(self, responses, train, *, validation=None, seed=0, device=None) -> PerUserModel:
        there, pairs = training_data(responses, train, validation, seed, device)
        check_scale(there, pairs)
        d = responses.embeddings.shape[1]
        shared, trained = responses.embeddings.new_zeros(d), 0
        if self.towards is not None:
            model = self.towards.fit(
                responses, train, validation=validation, seed=seed, device=device
            )
            if not hasattr(model, "reward") or model.reward.rank != 1:
                raise ValueError(f"{self.towards} has no single direction to draw users to")
            shared, trained = model.reward.basis[:, 0], model.parameter_count
        directions = ridge_logistic(there, pairs, shared.to(pairs.user.device), self.ridge)
        personal = directions.to(shared.device)
        count = parameter_count.per_user(d, train.n_users) + trained
        return PerUserModel(personal, shared, self.ridge, count)


def ridge_logistic(
    responses: Responses, pairs: Preferences, shared: Tensor, ridge: float
) -> Tensor:
    """Every user's own direction, (N, d).

    Args:
        responses: what is ranked.
        pairs: pairs of N users; one without pairs gets `shared`.
        shared: (d,), where the ridge pulls.
        ridge: λ > 0.

    Raises:
        ValueError: the ridge is too weak for embeddings of this size.
    """
    checks.number("ridge", ridge, above=True)
    pairs.check(responses)
    rows, shared = responses.embeddings, shared.double()  # the last digits decide when to stop
    directions = shared.repeat(pairs.n_users, 1)
    for users, places, there in rectangles(pairs.user, pairs.n_users, CELLS):
        gaps = rows[pairs.chosen[places]].double() - rows[pairs.rejected[places]].double()
        gaps *= there[..., None]
        gram = gaps @ gaps.mT
        if gaps.any() and not gram.any():
            raise ValueError("embeddings are too small to be squared; multiply them")
        shares = newton(gram, gaps @ shared, there, ridge)
        directions[users] += (shares[:, None] @ gaps)[:, 0]
    return directions.to(rows)


def newton(gram: Tensor, start: Tensor, there: Tensor, ridge: float) -> Tensor:
    """The minimising a, (N, n): damped Newton steps for all users at once.

    Args:
        gram: (N, n, n) inner products of each user's differences.
        start: (N, n) margins under the shared direction.
        there: (N, n) which pairs exist.
        ridge: λ.

    Raises:
        ValueError: the ridge is too weak for embeddings of this size.
    """
    check_ridge(gram, ridge)

    def losses(a):
        pull = (gram @ a[..., None])[..., 0]
        fit = F.softplus(-(start + pull)) * there
        return fit.sum(1) + ridge / 2 * (a * pull).sum(1)

    a, identity = torch.zeros_like(start), torch.eye(gram.shape[-1]).to(gram)
    for _ in range(STEPS):
        margins = start + (gram @ a[..., None])[..., 0]
        slope = (-margins).sigmoid() * there
        bend = slope * margins.sigmoid()
        left = slope - ridge * a
        if left.abs().max() < 1e-10:
            break
        step = torch.linalg.solve(bend[..., None] * gram + ridge * identity, left)
        a = halved(losses, a, step)
    return a


def check_ridge(gram: Tensor, ridge: float) -> None:
    """Raise a ValueError if the ridge would be lost in rounding beside the inner products."""
    largest = float(gram.diagonal(dim1=-2, dim2=-1).max())
    if not ridge > LOST * largest:
        raise ValueError(
            f"ridge {ridge:g} is too weak for embeddings whose differences have a squared length "
            f"of {largest:.1g}; use a stronger ridge, or divide the embeddings"
        )


def halved(losses, a: Tensor, step: Tensor) -> Tensor:
    """Go along `step`, halved for each user until the loss does not grow."""
    before, size = losses(a), a.new_ones(len(a), 1)
    for _ in range(30):
        worse = losses(a + size * step) > before + 1e-12 * (1 + before)
        if not worse.any():
            break
        size = torch.where(worse[:, None], size / 2, size)
    return a + size * step
