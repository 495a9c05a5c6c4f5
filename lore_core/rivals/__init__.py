"""Every method behind one protocol, LoRe included, so that a comparison is a loop."""

from lore_core.rivals.choice import Choice, choose, validation_score
from lore_core.rivals.linear import (
    LoRe,
    LowRank,
    MeanDifference,
    Reference,
    bradley_terry,
    paper_lore,
)
from lore_core.rivals.networks import Schedule
from lore_core.rivals.pal import NewUser, PALAModel, PALBModel
from lore_core.rivals.pal_training import PAL
from lore_core.rivals.per_user import PerUser
from lore_core.rivals.protocol import Method, Model
from lore_core.rivals.vpl import VPLModel
from lore_core.rivals.vpl_training import VPL

__all__ = [
    "Choice",
    "LoRe",
    "LowRank",
    "MeanDifference",
    "Method",
    "Model",
    "NewUser",
    "PAL",
    "PALAModel",
    "PALBModel",
    "PerUser",
    "Reference",
    "Schedule",
    "VPL",
    "VPLModel",
    "bradley_terry",
    "choose",
    "paper_lore",
    "validation_score",
]
