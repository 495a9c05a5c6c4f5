"""PerFit on disk: one file for what all users share; each user has another, see `kept_users`.

It holds R, W and b of every place, and says by SHA-256 for which network, so that another is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lore_core.perfit.intervention import Form, Intervention, Units
from lore_core.perfit.nudge import Nudge
from lore_core.perfit.recipe import STAGES, Recipe, Stage
from lore_core.perfit.shifted import Shifted, device_of
from lore_core.proper.adapters import contents, under, weights_sum
from lore_core.tools import tensor_files

FORMAT = 1
KIND = "PerFit shift"
NAMES = {"free": "R", "W": "W", "b": "b"}  # after training, `free` is R itself
Part = TypeVar("Part", bound=Form)
ORTHONORMAL = 1e-5  # how far R Rᵀ may be off I


def save(shifted: Shifted, path: Path | str) -> None:
    """Write what all users share: φ_c, the recipe, and where φ_u starts for new users.

    Args:
        shifted: what was learned.
        path: the file.
    """
    tensors = shared_tensors(shifted)
    about = {
        "kind": KIND,
        "format": FORMAT,
        "weights": weights_sum(dict(shifted.net.named_parameters())),
        "recipe": asdict(shifted.recipe),
        "places": list(shifted.nudges),
        "first": shifted.first,
        "sizes": {name: units.size for name, units in shifted.units.items()},
    }
    tensor_files.write(path, tensors, about)


def load(net: nn.Module, path: Path | str) -> Shifted:
    """What `save` wrote, on the network that it was made for; there are no users yet.

    Args:
        net: with the same weights to the last bit.
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, of another format, or made for another network.
    """
    tensors, about = contents(path, KIND)
    check_footing(path, about["weights"], weights_sum(dict(net.named_parameters())), "network")
    recipe = recipe_of(about["recipe"])
    nudges = {name: Nudge(composition=recipe.composition) for name in about["places"]}
    shifted = Shifted(net, nudges, recipe, 0, about["first"])
    for name, nudge in nudges.items():
        mine = under(f"{name}.", tensors)
        if "R" in mine:
            nudge.shared = filled(Intervention(mine["R"]), mine, path).to(device_of(net))
        if "start" in mine:
            shifted.starts[name] = mine["start"]
        if "centre" in mine:
            shifted.units[name] = Units(mine["centre"].to(device_of(net)), about["sizes"][name])
    return shifted


def numbers(part: Form) -> dict[str, Tensor]:
    """The numbers of a φ by the names of the formula."""
    return {name: getattr(part, key).detach().cpu() for key, name in NAMES.items()}


def filled(part: Part, tensors: Mapping[str, Tensor], path: Path | str) -> Part:
    """A φ with these numbers; a ValueError unless R has orthonormal rows."""
    for key, name in NAMES.items():
        getattr(part, key).data = tensors[name].clone()
    R = part.R.detach()
    off = float((R @ R.mT - torch.eye(R.shape[-2])).abs().max())
    off = max(off, float((part.free.detach() - R).abs().max()))
    if not off <= ORTHONORMAL:
        raise ValueError(
            f"{path} is damaged: the rows of R are {off:.1g} off orthonormal; save it again"
        )
    return part


def shared_tensors(shifted: Shifted) -> dict[str, Tensor]:
    """φ_c, where φ_u starts, and where the states lie, of every place."""
    found: dict[str, Tensor] = {}
    for name, nudge in shifted.nudges.items():
        if nudge.shared is not None:
            found |= {f"{name}.{key}": w for key, w in numbers(nudge.shared).items()}
        if name in shifted.starts:
            found[f"{name}.start"] = shifted.starts[name]
        if name in shifted.units:
            found[f"{name}.centre"] = shifted.units[name].centre
    return found


def check_footing(path: Path | str, made_for: str, found: str, what: str) -> None:
    """Raise a ValueError unless a file was made for what is here."""
    if made_for != found:
        raise ValueError(
            f"{path} was made for another {what}: for weights with SHA-256 {made_for[:12]}…, here "
            f"they have {found[:12]}…; load what it was trained on, in the same precision"
        )


def recipe_of(said: dict[str, Any]) -> Recipe:
    """A recipe from what a file says."""
    stages = {name: Stage(**said[name]) if said[name] else None for name in STAGES}
    return Recipe(**said | stages)
