"""LoRe as a method of a benchmark: a low-rank reward, and the recipe for new users' weights.

    r_u(x) = e(x) · V · w_u

Shapes: M responses, d features, K basis rewards, N users.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

from torch import Tensor

from lore_core.few_shot import fit_weights
from lore_core.fit import fit_basis
from lore_core.methods import parameter_count
from lore_core.methods.protocol import Given, Method, Model
from lore_core.preferences import Preferences
from lore_core.recipes import FEW_SHOT, PAPER, PAPER_FEW_SHOT, FewShot, Recipe
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.tools import checks


@dataclass(frozen=True, eq=False)
class LowRank(Model):
    """A low-rank reward, with the recipe by which new users get their weights."""

    kind: ClassVar[str] = "low rank"
    linear: ClassVar[bool] = True
    reward: LowRankReward
    few_shot: FewShot
    trained: int

    @property
    def parameter_count(self) -> int:
        return self.trained

    @property
    def n_features(self) -> int:
        return len(self.reward.basis)

    @property
    def personal(self) -> Tensor:
        return self.reward.weights

    def checked(self, personal: Tensor, n_users: int) -> Tensor:
        return super().checked(checks.simplex_rows("personal", personal), n_users)

    def _margins(self, responses: Responses, pairs: Preferences, personal: Tensor) -> Tensor:
        return self.reward.margins(responses, pairs, personal)

    def _scores(self, responses: Responses, personal: Tensor, user: Tensor, rows: Tensor) -> Tensor:
        table = self.reward.basis_scores(responses.embeddings)
        return (table.index_select(0, rows) * personal.index_select(0, user)).sum(-1)

    def _adapt(self, responses: Responses, shots: Preferences, seed: int) -> Tensor:
        return fit_weights(self.reward, responses, shots, self.few_shot, seed=seed)

    def state(self) -> tuple[dict[str, Tensor], dict]:
        tensors = {"basis": self.reward.basis, "logits": self.reward.logits}
        settings = {"few_shot": asdict(self.few_shot), "parameter_count": self.trained}
        return tensors, settings

    @classmethod
    def restore(cls, tensors: dict[str, Tensor], settings: dict) -> LowRank:
        few_shot = FewShot(**settings["few_shot"])
        return cls(LowRankReward(**tensors), few_shot, settings["parameter_count"])


@dataclass(frozen=True)
class LoRe(Method):
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

    def __post_init__(self) -> None:
        checks.whole_number("rank", self.rank, at_least=1)
        checks.instance_of("recipe", self.recipe, Recipe)
        checks.instance_of("few_shot", self.few_shot, FewShot)

    def _fit(self, given: Given) -> LowRank:
        fit = fit_basis(
            given.responses,
            given.train,
            self.rank,
            self.recipe,
            seed=given.seed,
            device=given.device,
            validation=given.validation,
        )
        trained = self.parameter_count(given.responses.embeddings.shape[1], given.train.n_users)
        return LowRank(fit.reward, self.few_shot, trained)

    def parameter_count(self, d: int, n_users: int) -> int:
        """Numbers trained on embeddings of d features and so many seen users."""
        return parameter_count.lore(d, self.rank, n_users)


def paper_lore(rank: int, steps: int = PAPER.steps) -> LoRe:
    """LoRe as its authors train it on PersonalLLM."""
    return LoRe(rank, replace(PAPER, steps=steps), PAPER_FEW_SHOT)
