"""What a user has of their own, in one file each; and the same as an adapter that peft loads.

Shapes: N users, r rank, i and o a layer's two sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from lore_core.proper import adapters, lora_folders
from lore_core.proper.inject import Injected
from lore_core.proper.linear import ProperLinear
from lore_core.proper.low_rank import LowRanks, learned
from lore_core.proper.routers import FixedRouter, UserRouter
from lore_core.tools import checks, tensor_files

KIND = "PROPER user"


def save_users(injected: Injected, folder: Path | str) -> list[Path]:
    """Write one file for each user: the own update in every layer, and the router's row.

    Args:
        injected: layers with `personal`.
        folder: gets user_0.safetensors and so on.

    Raises:
        ValueError: a layer has no updates of users.
    """
    stacks = personal(injected)
    about = {
        "kind": KIND,
        "format": adapters.FORMAT,
        "weights": adapters.weights_sum(footing(injected)),
        "scales": {name: stack.scale for name, stack in stacks.items()},
    }
    paths = []
    for user in range(len(next(iter(stacks.values())))):
        paths.append(Path(folder) / f"user_{user}.safetensors")
        tensor_files.write(paths[-1], of_user(injected, user), about)
    return paths


def load_users(injected: Injected, paths: Sequence[Path | str]) -> None:
    """Give the layers the users of some files, in this order, in the place of those before.

    Args:
        injected: layers with the experts that the users were trained with.
        paths: files that `save_users` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: none is given, or one is damaged, of another format, or made for another model.
    """
    checks.whole_number("the number of paths", len(paths), at_least=1)
    read, expected = [adapters.contents(path, KIND) for path in paths], footing(injected)
    for path, (_, about) in zip(paths, read, strict=True):
        adapters.check_weights(path, about, expected)
    for name, layer in injected.layers.items():
        rows = [adapters.under(f"{name}.", tensors) for tensors, _ in read]
        together = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
        put_table(layer, together.pop("table", None))
        layer.personal = cast(LowRanks, learned(together, read[0][1]["scales"][name]))
        layer.to(layer.base.weight.device)


def export_peft(injected: Injected, user: int, folder: Path | str) -> None:
    """Write a user's own updates as ordinary LoRA, which peft loads.

    Experts and routers are not in it: on the model with stage 1 merged, it says what the layers say
    with `personal` alone.

    Args:
        injected: layers with `personal`.
        user: whose.
        folder: gets adapter_config.json and adapter_model.safetensors; it must not exist.

    Raises:
        ValueError: the user is unknown, or the layers have no updates of users, or of many ranks.
        FileExistsError: the folder is there.
    """
    stacks = personal(injected)
    checks.whole_number("user", user, at_least=0)
    checks.below("user", torch.tensor([user]), len(next(iter(stacks.values()))))
    lora_folders.write(stacks, user, folder)


def personal(injected: Injected) -> dict[str, LowRanks]:
    """The users' updates of every layer.

    Raises:
        ValueError: a layer has none.
    """
    return lora_folders.stacks_of(injected, "personal", "train stage 3.1 first")


def of_user(injected: Injected, user: int) -> dict[str, Tensor]:
    """What belongs to one user in every layer."""
    tensors: dict[str, Tensor] = {}
    for name, stack in personal(injected).items():
        tensors |= {f"{name}.A": stack.A[user], f"{name}.B": stack.B[user]}
        router = injected.layers[name].router
        if router is not None and router.table is not None:
            tensors[f"{name}.table"] = router.table[user]
    return tensors


def footing(injected: Injected) -> dict[str, Tensor]:
    """What users' updates stand on: the frozen weights and the experts."""
    found = adapters.bases(injected)
    for name, layer in injected.layers.items():
        if layer.experts is not None:
            found |= {f"{name}.{key}": w for key, w in layer.experts.state_dict().items()}
    return found


def put_table(layer: ProperLinear, table: Tensor | None) -> None:
    """Users' rows of a router in the place of those before."""
    if table is None:
        return
    if isinstance(layer.router, FixedRouter):
        layer.router = FixedRouter(table)
    elif isinstance(layer.router, UserRouter):
        layer.router.table = torch.nn.Parameter(table)
