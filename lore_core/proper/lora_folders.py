"""Updates of a stack as ordinary LoRA, each in a folder that peft loads: a user's, or an expert's.

Shapes: r rank, i and o a layer's two sides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lore_core.proper.inject import Injected
from lore_core.proper.low_rank import LowRanks
from lore_core.tools import folders, tensor_files
from lore_core.tools.files import whole


def write_experts(injected: Injected, folder: Path | str) -> None:
    """Write every expert of all layers as ordinary LoRA, as if its share were one.

    Routers are not in it, nor is the factor 1/M of `average`.

    Args:
        injected: layers with experts.
        folder: gets folders 0, 1 and so on; it must not exist.

    Raises:
        ValueError: a layer has no experts, or they are of many ranks.
        FileExistsError: the folder is there.
    """
    stacks = stacks_of(injected, "experts", "train stage 2 first")
    with folders.whole(folder) as unfinished:
        for expert in range(len(next(iter(stacks.values())))):
            write(stacks, expert, unfinished / str(expert))


def write(stacks: Mapping[str, LowRanks], member: int, folder: Path | str) -> None:
    """Write one member of every layer's stack.

    Args:
        stacks: by the layer's name.
        member: which.
        folder: gets adapter_config.json and adapter_model.safetensors; it must not exist.

    Raises:
        ValueError: the stacks are of many ranks or scales.
        FileExistsError: the folder is there.
    """
    sizes = {(stack.A.shape[1], stack.scale) for stack in stacks.values()}
    if len(sizes) > 1:
        raise ValueError(f"the layers have ranks and scales {sorted(sizes)}, expected one of each")
    with folders.whole(folder) as unfinished:
        tensor_files.write(unfinished / "adapter_model.safetensors", tensors(stacks, member), {})
        with whole(unfinished / "adapter_config.json") as path:
            path.write_text(json.dumps(config(list(stacks), *sizes.pop()), indent=1), "utf-8")


def tensors(stacks: Mapping[str, LowRanks], member: int) -> dict[str, Tensor]:
    """A member's updates, A (r, i) and B (o, r), under the names that peft gives them."""
    found = {}
    for name, stack in stacks.items():
        found[f"base_model.model.{name}.lora_A.weight"] = stack.A[member]
        found[f"base_model.model.{name}.lora_B.weight"] = stack.B[member]
    return found


def config(names: list[str], r: int, scale: float) -> dict[str, Any]:
    """What adapter_config.json says; peft has defaults for the rest."""
    sizes = {"r": r, "lora_alpha": scale * r, "lora_dropout": 0.0, "bias": "none"}
    return {"peft_type": "LORA", "target_modules": names, "inference_mode": True} | sizes


def stacks_of(injected: Injected, part: str, remedy: str) -> dict[str, LowRanks]:
    """The experts, or the users' own updates (`personal`), of every layer.

    Raises:
        ValueError: a layer has none; says what to do.
    """
    stacks = {name: getattr(layer, part) for name, layer in injected.layers.items()}
    if None in stacks.values() or not stacks:
        raise ValueError(f"a layer has no {part}; {remedy}")
    return stacks
