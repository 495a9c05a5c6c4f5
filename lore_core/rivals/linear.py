"""Methods whose reward is linear in the embedding: LoRe, and what it is measured against.

    LoRe                  r_u(x) = e(x) · V · w_u
    Bradley–Terry         the same with K = 1: one direction v for everybody
    mean difference       v = mean of e(chosen) - e(rejected), nothing is optimised
    reference             v fitted to a known trait, to nobody's preferences
    one model per user    r_u(x) = e(x) · v_u, see `per_user.py`

Shapes: M responses, d features, K basis rewards, N users.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from lore_core import checks, counting
from lore_core.few_shot import fit_weights
from lore_core.fit import fit_basis
from lore_core.preferences import Preferences, Responses, centred
from lore_core.recipes import FEW_SHOT, PAPER, PAPER_FEW_SHOT, FewShot, Recipe
from lore_core.reward import LowRankReward, pair_margins, reference_direction
from lore_core.rivals.protocol import Model, training_data
from lore_core.start import check_scale


@dataclass(frozen=True, eq=False)
class LowRank(Model):
    """A low-rank reward, with the recipe by which new users get their weights."""

    kind: ClassVar[str] = "low rank"
    linear: ClassVar[bool] = True
    reward: LowRankReward
    few_shot: FewShot
    parameter_count: int

    @property
    def n_features(self) -> int:
        return len(self.reward.basis)

    @property
    def personal(self) -> Tensor:
        return self.reward.weights

    def checked(self, personal: Tensor, n_users: int) -> Tensor:
        return super().checked(checks.simplex_rows("personal", personal), n_users)

    def _margins(self, responses: Responses, pairs: Preferences, personal: Tensor) -> Tensor:
        gaps = self.reward.gaps(responses.embeddings, pairs)
        return pair_margins(gaps, personal.to(gaps), pairs.user)

    def _scores(self, responses: Responses, personal: Tensor, user: Tensor, rows: Tensor) -> Tensor:
        table = self.reward.basis_scores(responses.embeddings)
        return (table.index_select(0, rows) * personal.index_select(0, user)).sum(-1)

    def _adapt(self, responses: Responses, shots: Preferences, seed: int) -> Tensor:
        return fit_weights(self.reward, responses, shots, self.few_shot, seed=seed)

    def state(self) -> tuple[dict[str, Tensor], dict]:
        tensors = {"basis": self.reward.basis, "logits": self.reward.logits}
        settings = {"few_shot": asdict(self.few_shot), "parameter_count": self.parameter_count}
        return tensors, settings

    @classmethod
    def restore(cls, tensors: dict[str, Tensor], settings: dict) -> LowRank:
        few_shot = FewShot(**settings["few_shot"])
        return cls(LowRankReward(**tensors), few_shot, settings["parameter_count"])


@dataclass(frozen=True)
class LoRe:
    """Low-rank rewards at one rank.

    Args:
        rank: K.
        recipe: how the basis is trained; validation pairs are for recipes with patience.
        few_shot: how new users get their weights.

    Source: LoRe (arXiv 2504.14439), Eq. 10.
    """

    rank: int
    recipe: Recipe = Recipe()
    few_shot: FewShot = FEW_SHOT

    def __post_init__(self):
        checks.whole_number("rank", self.rank, at_least=1)
        checks.kind("recipe", self.recipe, Recipe)
        checks.kind("few_shot", self.few_shot, FewShot)

    def fit(self, responses, train, *, validation=None, seed=0, device=None) -> LowRank:
        fit = fit_basis(
            responses, train, self.rank, self.recipe, None, seed, device, validation=validation
        )
        trained = counting.lore(responses.embeddings.shape[1], self.rank, train.n_users)
        return LowRank(fit.reward, self.few_shot, trained)


def paper_lore(rank: int, steps: int = PAPER.steps) -> LoRe:
    """LoRe as its authors train it on PersonalLLM."""
    return LoRe(rank, replace(PAPER, steps=steps), PAPER_FEW_SHOT)


def bradley_terry(ridge: float = Recipe.ridge_basis) -> LoRe:
    """One reward for everybody, pooled over users: LoRe at rank 1.

    Source: Bradley and Terry (1952).
    """
    return LoRe(1, replace(Recipe(), ridge_basis=ridge))


@dataclass(frozen=True)
class MeanDifference:
    """One global direction, v = mean over pairs of e(chosen) - e(rejected)."""

    def fit(self, responses, train, *, validation=None, seed=0, device=None) -> LowRank:
        there, pairs = training_data(responses, train, validation, seed, device)
        check_scale(there, pairs)
        rows = centred(there.embeddings)
        direction = rows[pairs.chosen].mean(0) - rows[pairs.rejected].mean(0)
        return same_for_all(direction, responses, pairs, counting.bradley_terry(len(direction)))


@dataclass(frozen=True)
class Reference:
    """A direction fitted to a known trait of the prompts that were asked about, to nobody's pairs.

    Args:
        trait: its name among the responses' traits.
    """

    trait: str = "judge"

    def fit(self, responses, train, *, validation=None, seed=0, device=None) -> LowRank:
        there, pairs = training_data(responses, train, validation, seed, device)
        check_scale(there, pairs)
        if self.trait not in responses.trait_names:
            raise ValueError(
                f"trait {self.trait!r} is not among {responses.trait_names}; name one of them"
            )
        seen = torch.isin(there.prompt, there.prompt[pairs.chosen].unique())
        score = there.traits[seen, responses.trait_names.index(self.trait)]
        direction = reference_direction(there.embeddings[seen], score)
        return same_for_all(direction, responses, pairs, 0)


def same_for_all(
    direction: Tensor, responses: Responses, pairs: Preferences, parameter_count: int
) -> LowRank:
    """One direction (d,) for everybody, where the responses came from."""
    reward = LowRankReward.fixed(direction.to(responses.embeddings.device), pairs.n_users)
    return LowRank(reward, FEW_SHOT, parameter_count)
