"""LoRe: every user's reward is a mixture of the same K basis rewards (arXiv 2504.14439)."""

from lore_core.evaluation.accuracy import accuracy
from lore_core.few_shot import fit_weights
from lore_core.fit import Fit, fit_basis
from lore_core.preferences import Preferences
from lore_core.recipes import FewShot, Recipe
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.splits import Split

__version__ = "0.2.0.dev0"

__all__ = [
    "FewShot",
    "Fit",
    "LowRankReward",
    "Preferences",
    "Recipe",
    "Responses",
    "Split",
    "accuracy",
    "fit_basis",
    "fit_weights",
]
