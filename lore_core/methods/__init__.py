"""Every method behind one protocol, LoRe included, so that a comparison is a loop."""

from lore_core.methods.baselines import MeanDifference, Reference, bradley_terry
from lore_core.methods.free_weights import FreeWeights, FreeWeightsModel
from lore_core.methods.lore import LoRe, LowRank, paper_lore
from lore_core.methods.pal_forms import PALAModel, PALBModel
from lore_core.methods.pal_new_user import NewUser
from lore_core.methods.pal_training import PAL
from lore_core.methods.per_user import PerUser
from lore_core.methods.protocol import Method, Model
from lore_core.methods.schedule import Schedule
from lore_core.methods.vpl import VPLModel
from lore_core.methods.vpl_training import VPL

__all__ = [
    "FreeWeights",
    "FreeWeightsModel",
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
    "paper_lore",
]
