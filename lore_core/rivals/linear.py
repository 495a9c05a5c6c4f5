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

from lore_core import counting
from lore_core.few_shot import fit_weights
from lore_core.fit import fit_basis
from lore_core.preferences import Preferences, Responses
from lore_core.recipes import FEW_SHOT, PAPER, PAPER_FEW_SHOT, Recipe
from lore_core.reward import LowRankReward, reference_direction
from lore_core.rivals.protocol import Model, some_pairs


@dataclass(frozen=True, eq=False)
class LowRank(Model):
    """A low-rank reward, with the recipe by which new users get their weights."""

    kind: ClassVar[str] = "low rank"
    reward: LowRankReward
    few_shot: Recipe
    parameter_count: int

    @property
    def personal(self) -> Tensor:
        return self.reward.weights

    def scores(self, responses: Responses, personal: Tensor, user: Tensor, rows: Tensor) -> Tensor:
        table = self.reward.basis_scores(responses.embeddings)
        return (table.index_select(0, rows) * personal.index_select(0, user)).sum(-1)

    def adapt(self, responses: Responses, shots: Preferences, seed: int = 0) -> Tensor:
        return fit_weights(self.reward, responses, shots, self.few_shot, seed=seed)

    def state(self) -> tuple[dict[str, Tensor], dict]:
        tensors = {"basis": self.reward.basis, "logits": self.reward.logits}
        settings = {"few_shot": asdict(self.few_shot), "parameter_count": self.parameter_count}
        return tensors, settings

    @classmethod
    def restore(cls, tensors: dict[str, Tensor], settings: dict) -> LowRank:
        few_shot = settings["few_shot"]
        few_shot["anchor_warmup"] = tuple(few_shot["anchor_warmup"])
        return cls(LowRankReward(**tensors), Recipe(**few_shot), settings["parameter_count"])


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
    few_shot: Recipe = FEW_SHOT

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
        some_pairs(responses, train)
        rows = responses.embeddings
        direction = rows[train.chosen].mean(0) - rows[train.rejected].mean(0)
        return same_for_all(direction, train.n_users, counting.bradley_terry(len(direction)))


@dataclass(frozen=True)
class Reference:
    """A direction fitted to a known trait of the prompts that were asked about, to nobody's pairs.

    Args:
        trait: its name among the responses' traits.
    """

    trait: str = "judge"

    def fit(self, responses, train, *, validation=None, seed=0, device=None) -> LowRank:
        some_pairs(responses, train)
        if self.trait not in responses.trait_names:
            raise ValueError(
                f"trait {self.trait!r} is not among {responses.trait_names}; name one of them"
            )
        seen = torch.isin(responses.prompt, responses.prompt[train.chosen].unique())
        score = responses.traits[seen, responses.trait_names.index(self.trait)]
        direction = reference_direction(responses.embeddings[seen], score)
        return same_for_all(direction, train.n_users, 0)


def same_for_all(direction: Tensor, n_users: int, parameter_count: int) -> LowRank:
    """One direction (d,) for everybody."""
    return LowRank(LowRankReward.fixed(direction, n_users), FEW_SHOT, parameter_count)
