"""What all users share, in one file: experts and routers, and the weights that they stand on.

The file says which weights these are by their SHA-256, so that another model is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lore_core.proper.inject import Injected, inject, matching
from lore_core.proper.linear import ProperLinear
from lore_core.proper.low_rank import learned
from lore_core.proper.routers import FixedRouter, LoraRouter, UserRouter
from lore_core.tools import draws, tensor_files

FORMAT = 1
KIND = "PROPER adapter"
PARTS = ("population", "experts", "router")
KEYS = ("weight", "bias")  # of a linear layer


def save(injected: Injected, path: Path | str, recipe: dict[str, Any] | None = None) -> None:
    """Write experts and routers of all layers, and the population's update if it is not merged.

    Args:
        injected: the adapted layers.
        path: the file.
        recipe: how they were trained; what JSON can hold.
    """
    tensors: dict[str, Tensor] = {}
    layers: dict[str, dict[str, Any]] = {}
    for name, layer in injected.layers.items():
        found = {part: getattr(layer, part) for part in PARTS if getattr(layer, part) is not None}
        for part, module in found.items():
            tensors |= {f"{name}.{part}.{key}": w for key, w in module.state_dict().items()}
        layers[name] = {part: settings(module) for part, module in found.items()}
        layers[name] |= {"average": layer.average, "dropout": layer.dropout}
    about = {"kind": KIND, "format": FORMAT, "weights": weights_sum(bases(injected))}
    tensor_files.write(path, tensors, about | {"layers": layers, "recipe": recipe or {}})


def load(model: nn.Module, path: Path | str) -> tuple[Injected, dict[str, Any]]:
    """Put the layers that `save` wrote into a model.

    Args:
        model: that they were trained on, with the same weights to the last bit.
        path: the file.

    Returns:
        The adapted layers, without updates of users, and the recipe.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, of another format, or made for another model.
    """
    tensors, about = contents(path, KIND)
    layers = about["layers"]
    names = "|".join(re.escape(name) for name in layers)
    matching(model, names)  # says which layers there are, if these are not among them
    check_weights(path, about, dict(model.named_parameters()))

    def make(name: str, linear: nn.Linear) -> ProperLinear:
        said = layers[name]
        parts: dict[str, Any] = {
            part: made(said[part], under(f"{name}.{part}.", tensors))
            for part in PARTS
            if part in said
        }
        return ProperLinear(linear, average=said["average"], dropout=said["dropout"], **parts)

    return inject(model, names, make), about["recipe"]


def settings(module: nn.Module) -> dict[str, Any]:
    """What makes a part again, beside its tensors."""
    found = {key: getattr(module, key) for key in ("scale", "softmax") if hasattr(module, key)}
    return {"kind": type(module).__name__} | found


def made(said: dict[str, Any], tensors: dict[str, Tensor]) -> nn.Module:
    """A part from its settings and tensors."""
    if said["kind"] in ("LowRank", "LowRanks"):
        return learned(tensors, said["scale"])
    if said["kind"] == "FixedRouter":
        return FixedRouter(tensors["table"])
    router = of_shape(tensors, said.get("softmax", ""))
    router.load_state_dict(tensors)
    return router


def of_shape(tensors: dict[str, Tensor], softmax: str) -> UserRouter | LoraRouter:
    """A router with such tensors, not yet filled."""
    source = draws.generator(0)  # what it draws is written over
    if "weight" in tensors:
        n_experts, o = tensors["weight"].shape
        return LoraRouter(n_experts, o, source)
    n_experts, i = tensors.get("by_input", tensors.get("by_user", Tensor())).shape
    n_users = len(tensors.get("table", [0]))
    reads = {"use_input": "by_input" in tensors, "use_user": "by_user" in tensors}
    return UserRouter(n_experts, n_users, i, source, softmax, **reads)


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name[len(prefix) :]: w for name, w in tensors.items() if name.startswith(prefix)}


def contents(path: Path | str, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What a file holds; a ValueError if it is of another kind or format."""
    tensors, about = tensor_files.read_as(path, kind, lambda tensors, about: (tensors, about))
    if about["format"] != FORMAT:
        raise ValueError(
            f"{path} has format {about['format']}, expected {FORMAT}; save it with this version"
        )
    return tensors, about


def bases(injected: Injected) -> dict[str, Tensor]:
    """All weights of a model but those of the parts, by their names without them."""
    layers = injected.layers.items()
    parts = [getattr(layer, part) for _, layer in layers for part in (*PARTS, "personal")]
    own = {id(weight) for part in parts if part is not None for weight in part.parameters()}
    plain = {f"{name}.base.{key}": f"{name}.{key}" for name, _ in layers for key in KEYS}
    return {
        plain.get(name, name): weight
        for name, weight in injected.model.named_parameters()
        if id(weight) not in own
    }


def weights_sum(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of some weights, their names and their types."""
    return tensor_files.fingerprint({name: w.detach().cpu() for name, w in weights.items()}, {})


def check_weights(path: Path | str, about: dict[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Raise a ValueError unless a file was made for these weights."""
    found = weights_sum(weights)
    if found != about["weights"]:
        raise ValueError(
            f"{path} is an adapter of another model: it stands on weights with SHA-256 "
            f"{about['weights'][:12]}…, here they have {found[:12]}…; load the model that it was "
            "trained on, with stage 1 merged and in the same precision"
        )
