"""Who competes, and with which settings.

A method "as published" has the sizes and rates of its authors and no choice. Every other one has
six candidates, of which validation data choose: the rank of LoRe, the ridge of linear models, the
capacity of networks.
"""

from dataclasses import replace

from lore_core.methods.baselines import MeanDifference, Reference, bradley_terry
from lore_core.methods.lore import LoRe, paper_lore
from lore_core.methods.networks import Schedule
from lore_core.methods.pal import NewUser, PALAModel, PALBModel
from lore_core.methods.pal_training import PAL
from lore_core.methods.per_user import PerUser
from lore_core.methods.protocol import Method
from lore_core.methods.vpl_training import VPL
from lore_core.recipes import FEW_SHOT

RANKS = (2, 3, 4, 6, 8, 12)

# What fitted these data in a few tries on validation pairs, at concentration 0.1.
LIKE_LORE = NewUser(learning_rate=0.3, epochs=40, batch=None, random=False, prior=FEW_SHOT.prior)
VPL_HERE = VPL(
    cycle=None,
    context=(1, 20),
    users=16,
    targets=8,
    learning_rate=3e-4,
    schedule=Schedule(1500, warmup=0.03, cosine=True),
)
PAL_HERE = PAL(
    rank=6,
    layers=1,
    batch=256,
    projector_rate=1e-3,
    personal_rate=3e-2,
    decay=0.05,
    schedule=Schedule(600),
    new_user=LIKE_LORE,
)


def vpl(hidden: int, latent: int, kl: float = 1e-4) -> VPL:
    """VPL with other widths, trained as these data need it."""
    return replace(VPL_HERE, hidden=hidden, latent=latent, kl=kl)


def pal_a(rank: int, layers: int, decay: float = 0.05) -> PAL:
    """Ideal points with so many prototypes and layers, trained as these data need it."""
    return replace(PAL_HERE, form=PALAModel, rank=rank, layers=layers, decay=decay)


def pal_b(rank: int, width: int, decay: float = 0.03) -> PAL:
    """Prompt-dependent prototypes of another width, trained as these data need it."""
    here = replace(PAL_HERE, projector_rate=2e-3, scale_rate=0.01)
    return replace(here, form=PALBModel, rank=rank, width=width, decay=decay)


LINE_UP: dict[str, list[Method]] = {
    "reference": [Reference()],
    "mean_difference": [MeanDifference()],
    "bradley_terry": [bradley_terry(ridge) for ridge in (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03)],
    "per_user": [PerUser(ridge) for ridge in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)],
    "per_user_pooled": [
        PerUser(ridge, bradley_terry()) for ridge in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
    ],
    "lore": [LoRe(rank) for rank in RANKS],
    "lore_no_prior": [LoRe(rank, few_shot=replace(FEW_SHOT, prior=1e-3)) for rank in RANKS],
    "lore_paper": [paper_lore(rank) for rank in RANKS],
    "vpl_published": [VPL()],
    "vpl_defects": [VPL(kl=0.0, rescale=True)],
    "vpl": [
        vpl(64, 64),
        vpl(128, 64),
        vpl(128, 128),
        vpl(256, 64),
        vpl(256, 256),
        vpl(256, 64, kl=1e-5),
    ],
    "pal_a_published": [PAL(form=PALAModel)],
    "pal_a": [
        pal_a(3, 0),
        pal_a(6, 0),
        pal_a(12, 0),
        pal_a(6, 1),
        pal_a(12, 1),
        pal_a(6, 2),
    ],
    "pal_b_published": [PAL(form=PALBModel)],
    "pal_b": [
        pal_b(3, 128),
        pal_b(6, 128),
        pal_b(12, 128),
        pal_b(6, 64),
        pal_b(6, 256),
        pal_b(6, 128, decay=0.1),
    ],
}
NAMES = {
    "perfect": "perfect observer",
    "known_tastes": "known tastes",
    "reference": "reference",
    "mean_difference": "mean difference",
    "bradley_terry": "Bradley–Terry",
    "per_user": "one model per user",
    "per_user_pooled": "one model per user, from Bradley–Terry",
    "lore": "LoRe",
    "lore_no_prior": "LoRe, hardly any prior",
    "lore_paper": "LoRe, paper's recipe",
    "vpl_published": "VPL, published",
    "vpl_defects": "VPL, published with its defects",
    "vpl": "VPL, matched",
    "pal_a_published": "PAL-A, published",
    "pal_a": "PAL-A, matched",
    "pal_b_published": "PAL-B, published",
    "pal_b": "PAL-B, matched",
}
