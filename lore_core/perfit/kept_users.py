"""φ_u on disk: one file for each user.

It holds R, W and b of every place, and says by SHA-256 for which network and which φ_c.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lore_core.perfit.intervention import Interventions
from lore_core.perfit.kept import FORMAT, NAMES, check_footing, filled, numbers, shared_tensors
from lore_core.perfit.shifted import Shifted, device_of
from lore_core.proper.adapters import contents, under, weights_sum
from lore_core.tools import checks, tensor_files

KIND = "PerFit user"


def save_users(shifted: Shifted, folder: Path | str) -> list[Path]:
    """Write φ_u of each user to a file of its own.

    Args:
        shifted: with φ_u.
        folder: gets user_0.safetensors and so on.

    Raises:
        ValueError: there is no φ_u.
    """
    stands_on = footing(shifted)
    paths = [Path(folder) / f"user_{user}.safetensors" for user in range(shifted.n_users)]
    for user, path in enumerate(paths):
        save_user(shifted, user, path, stands_on)
    return paths


def save_user(shifted: Shifted, user: int, path: Path | str, stands_on: str) -> None:
    """Write φ_u of one user.

    Args:
        shifted: with φ_u.
        user: whose.
        path: the file.
        stands_on: the `footing`, which takes a while for a large network.

    Raises:
        ValueError: there is no φ_u.
    """
    tensors: dict[str, Tensor] = {}
    for name, nudge in shifted.nudges.items():
        if nudge.personal is None:
            raise ValueError("users have no shifts yet; train stage 2 first")
        tensors |= {f"{name}.{key}": w[user] for key, w in numbers(nudge.personal).items()}
    tensor_files.write(path, tensors, {"kind": KIND, "format": FORMAT, "stands on": stands_on})


def load_users(shifted: Shifted, paths: Sequence[Path | str]) -> None:
    """Users from their files, counted in this order, in the place of those before.

    Args:
        shifted: with the φ_c that they stand on.
        paths: files that `save_users` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: none is given, or one is damaged, of another format, or made for another
            network or φ_c.
    """
    put_users(shifted, paths, footing(shifted))


def put_users(shifted: Shifted, paths: Sequence[Path | str], stands_on: str) -> None:
    """`load_users` for one who switches users often, and keeps what they stand on.

    Args:
        shifted: with the φ_c that they stand on.
        paths: files that `save_users` wrote.
        stands_on: the `footing`, which takes a while for a large network.

    Raises:
        FileNotFoundError, ValueError: as in `load_users`.
    """
    checks.whole_number("the number of paths", len(paths), at_least=1)
    read = []
    for path in paths:
        tensors, about = contents(path, KIND)
        check_footing(path, about["stands on"], stands_on, "network, or another φ_c")
        read.append(tensors)
    for name, nudge in shifted.nudges.items():
        rows = [under(f"{name}.", tensors) for tensors in read]
        together = {key: torch.stack([row[key] for row in rows]) for key in NAMES.values()}
        stack = Interventions(len(rows), together["R"][0])
        nudge.personal = filled(stack, together, paths[0]).to(device_of(shifted.net))
    shifted.n_users = len(paths)


def footing(shifted: Shifted) -> str:
    """SHA-256 of what φ_u stands on: the network and what all users share."""
    return weights_sum(dict(shifted.net.named_parameters()) | shared_tensors(shifted))
