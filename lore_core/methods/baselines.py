"""One direction for everybody: what LoRe is measured against.

Bradley–Terry         v fitted to all pairs, LoRe with K = 1
mean difference       v = mean of e(chosen) - e(rejected), nothing is optimised
reference             v fitted to a known trait, to nobody's preferences
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lore_core.methods import parameter_count
from lore_core.methods.lore import LoRe, LowRank
from lore_core.methods.protocol import Given, Method, training_data
from lore_core.preferences import Preferences
from lore_core.recipes import FEW_SHOT, Recipe
from lore_core.reference import reference_direction
from lore_core.responses import Responses, centred
from lore_core.reward import LowRankReward
from lore_core.scale import check_scale


def bradley_terry(ridge: float | tuple[float, ...] = Recipe.ridge_basis) -> LoRe:
    """One reward for everybody, pooled over users: LoRe at rank 1.

    Args:
        ridge: the recipe's ridge_basis.

    Source: Bradley and Terry (1952).
    """
    return LoRe(1, replace(Recipe(), ridge_basis=ridge))


@dataclass(frozen=True)
class MeanDifference(Method):
    """One global direction, v = mean over pairs of e(chosen) - e(rejected)."""

    def _fit(self, given: Given) -> LowRank:
        data, pairs = training_data(*given)
        check_scale(data, pairs)
        rows = centred(data.embeddings)
        direction = rows[pairs.chosen].mean(0) - rows[pairs.rejected].mean(0)
        trained = self.parameter_count(len(direction), pairs.n_users)
        return same_for_all(direction, given.responses, pairs, trained)

    def parameter_count(self, d: int, n_users: int) -> int:
        """One direction, whoever is asked."""
        return parameter_count.bradley_terry(d)


@dataclass(frozen=True)
class Reference(Method):
    """A direction fitted to a known trait of the prompts that were asked about, to nobody's pairs.

    Args:
        trait: its name among the responses' traits.
    """

    trait: str = "judge"

    def _fit(self, given: Given) -> LowRank:
        data, pairs = training_data(*given)
        check_scale(data, pairs)
        if self.trait not in data.trait_names:
            raise ValueError(
                f"trait {self.trait!r} is not among {data.trait_names}; name one of them"
            )
        seen = torch.isin(data.prompt, data.prompt[pairs.chosen].unique())
        score = data.known_traits[seen, data.trait_names.index(self.trait)]
        direction = reference_direction(data.embeddings[seen], score)
        return same_for_all(direction, given.responses, pairs, 0)

    def parameter_count(self, d: int, n_users: int) -> int:
        """Nothing is trained on anybody's pairs."""
        return 0


def same_for_all(
    direction: Tensor, responses: Responses, pairs: Preferences, parameter_count: int
) -> LowRank:
    """One direction (d,) for everybody, where the responses came from."""
    reward = LowRankReward.fixed(direction.to(responses.embeddings.device), pairs.n_users)
    return LowRank(reward, FEW_SHOT, parameter_count)
