"""Where tensors live: a CUDA device when there is one, else the CPU, or as asked."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

import torch

Device = torch.device | str | None  # None: a GPU if there is one
Noun = TypeVar("Noun", bound=Any)  # a dataclass


def pick(device: Device = None) -> torch.device:
    """The device to compute on.

    Args:
        device: a name such as "cpu" or "cuda:1", a torch.device, or None to choose.

    Raises:
        RuntimeError: a GPU was asked for and there is none.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:  # torch says it in many ways
        raise RuntimeError(
            f"asked for {device}, but torch cannot compute there ({str(error).splitlines()[0]}); "
            "use device='cpu' or None"
        ) from error
    return torch.device(device)


def moved(instance: Noun, device: Device) -> Noun:
    """A copy of a dataclass with everything that can move on `device`."""
    device = pick(device)
    values = {f.name: getattr(instance, f.name) for f in fields(instance)}
    movable = {name: v.to(device) for name, v in values.items() if hasattr(v, "to")}
    if all(movable[name] is values[name] for name in movable):
        return instance  # it is there already
    return replace(instance, **movable)
