"""Who takes part in a benchmark, under which name and colour, and with which settings.

A method "as published" has the sizes and rates of its authors and no choice, and one without
settings has none to make. Every other one has seven to nine candidates, of which validation data
choose: the rank of LoRe, the ridge of linear models, the capacity and the learning rate of
networks. A new method is one entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lore_core.methods.baselines import MeanDifference, Reference, bradley_terry
from lore_core.methods.free_weights import FreeWeights
from lore_core.methods.lore import LoRe, paper_lore
from lore_core.methods.pal_forms import PALAModel, PALBModel
from lore_core.methods.pal_new_user import NewUser
from lore_core.methods.pal_training import PAL
from lore_core.methods.per_user import PerUser
from lore_core.methods.protocol import Method
from lore_core.methods.schedule import Schedule
from lore_core.methods.vpl_training import VPL
from lore_core.recipes import FEW_SHOT, WEAK_RIDGE
from lore_core.responses import Responses
from lore_core.tools import palette

RANKS = (1, 2, 3, 4, 6, 8, 12, 20)
RIDGES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)  # among which validation pairs choose, within a fit
PUBLISHED = "as published"


@dataclass(frozen=True)
class Entry:
    """A method as a benchmark knows it.

    Args:
        name: what tables and figures call it.
        colour: of its curves, in every lesson.
        candidates: label -> settings, among which validation data choose.
        needs: what it reads of the responses beside embeddings, such as "traits".
    """

    name: str
    colour: str
    candidates: Mapping[str, Method]
    needs: tuple[str, ...] = ()

    def check(self, responses: Responses) -> None:
        """Raise a ValueError if the responses lack something that this method reads."""
        for name in self.needs:
            if getattr(responses, name) is None:
                raise ValueError(
                    f"{self.name} reads {name}, which these responses do not have; leave it out, "
                    f"or give Responses {name}"
                )

    def parameter_count(self, label: str, d: int, n_users: int) -> int:
        """How many numbers a candidate trains.

        Args:
            label: of the candidate.
            d: features of an embedding.
            n_users: seen users.
        """
        return self.candidates[label].parameter_count(d, n_users)


# What fitted these data in a few tries of PAL on validation pairs, at concentration 0.1, seed 0.
LIKE_LORE = NewUser(
    learning_rate=0.3, epochs=40, batch=None, random=False, prior=2.0, centre="posterior"
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


def free_weights(rank: int) -> FreeWeights:
    """LoRe without its simplex; what fitted at all three concentrations, on validation pairs."""
    return FreeWeights(rank, ridge_basis=RIDGES, ridge_weights=0.03, prior=0.3)


def vpl(width: int, rate: float = 1e-4) -> VPL:
    """VPL as published, but for its width, of layers and latent, and its learning rate."""
    return VPL(hidden=width, latent=width, learning_rate=rate)


def pal_a(rank: int, rate: float = 1e-3) -> PAL:
    """Ideal points with so many prototypes, trained as these data need it."""
    return replace(PAL_HERE, form=PALAModel, rank=rank, layers=0, projector_rate=rate)


def pal_b(rank: int, rate: float = 5e-4) -> PAL:
    """So many prototypes that depend on the prompt, trained as these data need it."""
    here = replace(PAL_HERE, form=PALBModel, rank=rank, width=256, decay=0.1)
    return replace(here, projector_rate=rate, scale_rate=0.01)


REGISTRY: dict[str, Entry] = {
    "reference": Entry(
        name="reference",
        colour=palette.GREY,
        candidates={"judge": Reference()},
        needs=("traits",),
    ),
    "mean_difference": Entry(
        name="mean difference",
        colour=palette.GREY,
        candidates={"no settings": MeanDifference()},
    ),
    "bradley_terry": Entry(
        name="Bradley–Terry",
        colour=palette.ORANGE,
        candidates={
            f"ridge_basis {ridge}": bradley_terry(ridge)
            for ridge in (1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03)
        },
    ),
    "per_user": Entry(
        name="one model per user",
        colour=palette.SKY,
        candidates={
            f"ridge {ridge}": PerUser(ridge, centre="shared")
            for ridge in (0.001, 0.003, 0.01, 0.03, 0.1, 1.0, 3.0, 10.0, 30.0)
        },
    ),
    "per_user_pooled": Entry(
        name="one model per user, from Bradley–Terry",
        colour=palette.SKY,
        candidates={
            f"ridge {ridge}": PerUser(ridge, bradley_terry())
            for ridge in (1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
        },
    ),
    "lore": Entry(
        name="LoRe",
        colour=palette.BLUE,
        candidates={f"rank {rank}": LoRe(rank) for rank in RANKS},
    ),
    "lore_weak_ridge": Entry(
        name="LoRe, weak ridge",
        colour=palette.BLUE,
        candidates={f"rank {rank}": LoRe(rank, WEAK_RIDGE) for rank in RANKS},
    ),
    "lore_no_prior": Entry(
        name="LoRe, hardly any prior",
        colour=palette.BLUE,
        candidates={
            f"rank {rank}": LoRe(rank, few_shot=replace(FEW_SHOT, prior=1e-3)) for rank in RANKS
        },
    ),
    "free_weights": Entry(
        name="free weights",
        colour=palette.BLUE,
        candidates={f"rank {rank}": free_weights(rank) for rank in RANKS},
    ),
    "lore_paper": Entry(
        name="LoRe, paper's recipe",
        colour=palette.BLACK,
        candidates={f"rank {rank}": paper_lore(rank) for rank in (*RANKS[1:], 30, 50)},
    ),
    "vpl_published": Entry(
        name="VPL, published",
        colour=palette.RED,
        candidates={PUBLISHED: VPL()},
    ),
    "vpl_defects": Entry(
        name="VPL, published with its defects",
        colour=palette.RED,
        candidates={PUBLISHED: VPL(kl=0.0, rescale=True)},
    ),
    "vpl": Entry(
        name="VPL, matched",
        colour=palette.RED,
        candidates={
            f"hidden {width}, rate {rate}": vpl(width, rate)
            for width, rate in (
                (64, 1e-4),
                (128, 1e-4),
                (256, 3e-5),
                (256, 1e-4),
                (256, 3e-4),
                (512, 1e-4),
                (1024, 1e-4),
            )
        },
    ),
    "pal_a_published": Entry(
        name="PAL-A, published",
        colour=palette.GREEN,
        candidates={PUBLISHED: PAL(form=PALAModel)},
    ),
    "pal_a": Entry(
        name="PAL-A, matched",
        colour=palette.GREEN,
        candidates={
            f"rank {rank}, rate {rate}": pal_a(rank, rate)
            for rank, rate in (
                (6, 1e-3),
                (12, 5e-4),
                (12, 1e-3),
                (12, 2e-3),
                (24, 5e-4),
                (24, 1e-3),
                (48, 1e-3),
            )
        },
    ),
    "pal_b_published": Entry(
        name="PAL-B, published",
        colour=palette.PINK,
        candidates={PUBLISHED: PAL(form=PALBModel)},
        needs=("prompt_embeddings",),
    ),
    "pal_b": Entry(
        name="PAL-B, matched",
        colour=palette.PINK,
        candidates={
            f"rank {rank}, rate {rate}": pal_b(rank, rate)
            for rank, rate in (
                (3, 5e-4),
                (6, 2e-4),
                (6, 5e-4),
                (6, 1e-3),
                (6, 2e-3),
                (12, 5e-4),
                (12, 1e-3),
                (24, 5e-4),
            )
        },
        needs=("prompt_embeddings",),
    ),
}


def colour_of(name: str) -> str:
    """The colour of a method, or of its family; grey for what is no method.

    Args:
        name: as tables and figures have it, such as "PAL-A, matched"; the family is what comes
            before the comma.
    """
    names = {entry.name: entry.colour for entry in REGISTRY.values()}
    families = {entry.name.split(",")[0]: entry.colour for entry in reversed(REGISTRY.values())}
    return names.get(name) or families.get(name.split(",")[0], palette.GREY)
