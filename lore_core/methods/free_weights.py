"""A low-rank reward whose weights may have any sign and any size: LoRe without its simplex.

    r_u(x) = e(x) · V · w_u        w_u in R^K

Beside LoRe at the same K it shows what the rank buys, and what the simplex does. Basis and weights
of the seen users are fitted together, embeddings measured in the pairs' own unit:

    minimise over V, w    mean over pairs of log(1 + exp(-m))
                          + ridge_basis · ||V||²  +  ridge_weights · mean over users of ||w_u||²

V A and A⁻¹ w_u give the same rewards for every invertible A. The ridges settle the sizes: basis and
weights trade scale freely, so at the minimum only the product of the two ridges matters. A rotation
stays open. New users are drawn to the mean μ and covariance Σ of the seen users' weights:

    minimise over w       Σ_b log(1 + exp(-m_b))  +  prior / 2 · (w - μ)ᵀ Σ⁻¹ (w - μ)

The Gaussian turns with A, so their rewards do not depend on it. With Σ = L Lᵀ and w = L z the pull
is ||z - L⁻¹ μ||²: a ridge, which `ridge_logistic.py` solves.

Shapes: M responses, d features, K basis rewards, N users, B pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lore_core.descent import best_descent
from lore_core.fit import held_out_objective
from lore_core.initial import initial_values
from lore_core.methods import parameter_count
from lore_core.methods.protocol import Given, Method, Model, training_data
from lore_core.methods.ridge_logistic import ridge_logistic
from lore_core.objective import Objective
from lore_core.preferences import Preferences
from lore_core.recipes import Recipe
from lore_core.responses import Responses
from lore_core.reward import OVERFLOW
from lore_core.scale import training_unit
from lore_core.scores import basis_scores, compared, pair_margins, score_gaps
from lore_core.tools import checks

NARROW = 1e-6  # of the weights' mean square: the least variance that the prior has in a direction
SMALLEST = 1e-24  # mean square, of weights that a ridge has drawn to nothing


@dataclass(frozen=True, eq=False)
class FreeWeightsModel(Model):
    """Basis and weights, and the Gaussian that new users are drawn to.

    Args:
        basis: V, (d, K).
        weights: w, (N, K).
        mean: μ, (K,).
        covariance: Σ, (K, K), in float64.
        prior: how strongly new users are drawn to the Gaussian.
    """

    kind: ClassVar[str] = "free weights"
    linear: ClassVar[bool] = True
    basis: Tensor
    weights: Tensor
    mean: Tensor
    covariance: Tensor
    prior: float

    @property
    def personal(self) -> Tensor:
        return self.weights

    @property
    def parameter_count(self) -> int:
        return self.basis.numel() + self.weights.numel()

    @property
    def n_features(self) -> int:
        return len(self.basis)

    @property
    def crowd(self) -> Tensor:
        return self.mean

    def _scores(self, responses: Responses, personal: Tensor, user: Tensor, rows: Tensor) -> Tensor:
        table = basis_scores(responses.embeddings.to(personal), self.basis)
        return pair_margins(table.index_select(0, rows), personal, user)

    def _margins(self, responses: Responses, pairs: Preferences, personal: Tensor) -> Tensor:
        rows, pairs = compared(responses, pairs)
        gaps = score_gaps(basis_scores(rows.to(personal), self.basis), pairs)
        return pair_margins(gaps, personal, pairs.user)

    def _adapt(self, responses: Responses, shots: Preferences, seed: int) -> Tensor:
        rows, pairs = compared(responses, shots)
        root = torch.linalg.cholesky(self.covariance.to(rows.device))
        scores = basis_scores(rows.double(), self.basis.to(root))
        table = checks.finite("basis scores", scores @ root, OVERFLOW)
        white = Responses(embeddings=table, prompt=pairs.chosen.new_zeros(len(table)))
        mean = self.mean.to(root)
        centre = torch.linalg.solve_triangular(root, mean[:, None], upper=False)[:, 0]
        weights = ridge_logistic(white, pairs, centre, self.prior) @ root.T
        return torch.where((pairs.counts > 0)[:, None], weights, mean).to(self.weights)

    def state(self) -> tuple[dict[str, Tensor], dict]:
        tensors = {
            "basis": self.basis,
            "weights": self.weights,
            "mean": self.mean,
            "covariance": self.covariance,
        }
        return tensors, {"prior": self.prior}

    @classmethod
    def restore(cls, tensors: dict[str, Tensor], settings: dict) -> FreeWeightsModel:
        return cls(
            basis=tensors["basis"],
            weights=tensors["weights"],
            mean=tensors["mean"],
            covariance=tensors["covariance"],
            prior=settings["prior"],
        )


@dataclass(frozen=True)
class FreeWeights(Method):
    """Low-rank rewards with weights of any sign, at one rank.

    A user without pairs, seen or new, gets the mean weights of those who have some.

    Args:
        rank: K.
        ridge_basis, ridge_weights: penalties of the seen users' fit, at least 0; of several
            ridge_basis validation pairs choose, as in `Recipe`.
        prior: how strongly new users are drawn to the Gaussian, above 0; 1 takes it as it is.

    Source: LoRe (arXiv 2504.14439), Eq. 10, without its softmax. Ridges and prior are ours.
    """

    rank: int
    ridge_basis: float | tuple[float, ...]
    ridge_weights: float
    prior: float = 1.0

    def __post_init__(self) -> None:
        checks.whole_number("rank", self.rank, at_least=1)
        checks.number("ridge_weights", self.ridge_weights)
        checks.instance_of("recipe", self.recipe, Recipe)  # which checks ridge_basis
        checks.number("prior", self.prior, above=True)

    @property
    def recipe(self) -> Recipe:
        """LoRe's own recipe, but for the ridges."""
        return Recipe(ridge_basis=self.ridge_basis, ridge_logits=self.ridge_weights)

    def _fit(self, given: Given) -> FreeWeightsModel:
        data, train = training_data(*given)
        home = given.responses.embeddings
        here = given._replace(responses=data, train=train)
        basis, weights = fit_jointly(here, self.rank, self.recipe)
        has_pairs = train.counts > 0
        mean, covariance = gaussian(weights[has_pairs].double())
        mean = mean.to(weights)
        weights = torch.where(has_pairs[:, None], weights, mean)
        return FreeWeightsModel(
            basis=basis.to(home),
            weights=weights.to(home),
            mean=mean.to(home),
            covariance=covariance.to(home.device),
            prior=float(self.prior),
        )

    def parameter_count(self, d: int, n_users: int) -> int:
        """Numbers trained on embeddings of d features and so many seen users."""
        return parameter_count.free_weights(d, self.rank, n_users)


class FreeObjective(Objective):
    """LoRe's objective where what it calls logits are the weights themselves."""

    def weights(self, logits: Tensor) -> Tensor:
        """The logits, as they are."""
        return logits


def fit_jointly(given: Given, rank: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Basis (d, K) and weights (N, K) of the seen users, as the recipe finds them.

    Args:
        given: what there is to learn from, on the device that computes.
        rank: K.
        recipe: its `ridge_logits` is the ridge of the weights.
    """
    responses, train = given.responses, given.train
    scale = training_unit(responses, train, recipe)
    shapes = (responses.embeddings.shape[1], rank), (train.n_users, rank)
    basis, weights = initial_values(None, *shapes, recipe, scale, given.seed)
    objective = FreeObjective.on(responses, train, recipe, scale)
    held_out = held_out_objective(responses, given.validation, recipe, scale, FreeObjective)
    like = objective.embeddings
    found = best_descent(objective, held_out, (basis * scale).to(like), weights.to(like))
    return found.parameters.basis.detach() / scale, found.parameters.logits.detach()


def gaussian(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (K,) and covariance (K, K) of weights (N, K).

    The covariance has a little more on its diagonal: in a direction in which no two users differ it
    would have no inverse. New users hardly move there.
    """
    mean = weights.mean(0)
    away = weights - mean
    least = NARROW * weights.square().mean().clamp_min(SMALLEST)
    return mean, away.T @ away / len(away) + least * torch.eye(len(mean)).to(weights)
