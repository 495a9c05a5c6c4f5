"""Tensors in one safetensors file, with what is to be known about them and a checksum of both.

What is read is a copy in memory: it stays as it is when the file is replaced, and it lies where
torch puts tensors of its own, so the same numbers take the same path through the processor. (The
tensors that safetensors itself hands out are views of the file; their alignment is an accident of
the header's length, and with it the last digit of a product.)
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor

from lore_core.tools.files import whole

Made = TypeVar("Made")
FRESH = torch.contiguous_format  # also for the strides of nothing, which NumPy sets to 0


def write(path: Path | str, tensors: dict[str, Tensor], about: dict) -> None:
    """Write tensors to a file, whole or not at all.

    Args:
        path: the file.
        tensors: by name.
        about: a dictionary of what JSON can hold, and NumPy numbers.
    """
    about = json.loads(json.dumps(about, default=plain))
    tensors = {name: t.detach().cpu().clone(memory_format=FRESH) for name, t in tensors.items()}
    signed = {"about": about, "sha256": fingerprint(tensors, about)}
    with whole(path) as unfinished:
        unfinished.write_bytes(packed(tensors, signed))


def read(path: Path | str) -> tuple[dict[str, Tensor], dict]:
    """Read what `write` wrote.

    Args:
        path: the file.

    Returns:
        Tensors on the CPU, copies in memory, and what was written about them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or was not written by `write`.
    """
    try:
        tensors, signed = unpacked(Path(path).read_bytes())
        about, expected = signed["about"], signed["sha256"]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} does not exist; save something there first") from error
    except Exception as error:  # safetensors, json and the file system fail in many ways
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}: {error}); save it again"
        ) from error
    if fingerprint(tensors, about) != expected:
        raise ValueError(f"{path} is damaged: its checksum is another one; save it again")
    return tensors, about


def read_as(path: Path | str, kind: str, make: Callable[[dict[str, Tensor], dict], Made]) -> Made:
    """What was written as one kind of thing, made again from its tensors.

    Args:
        path: the file.
        kind: what `about` has to call it.
        make: the thing from the tensors and what was written about them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or holds something else.
    """
    try:
        tensors, about = read(path)
        if about.get("kind") != kind:
            raise ValueError(f"another kind: {about.get('kind')}")
        return make(tensors, about)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path} is not a saved {kind} ({error}); save it again") from error


def peek(path: Path | str, name: str) -> Tensor:
    """One tensor of a file, without reading the rest and without the checksum.

    Args:
        path: the file.
        name: the tensor's.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or has no such tensor.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(name).clone()
    except FileNotFoundError:
        raise
    except Exception as error:  # safetensors and the file system fail in many ways
        raise ValueError(f"{path} cannot be read ({type(error).__name__}: {error})") from error


def plain(value: object) -> object:
    """A NumPy number as JSON knows it; anything else JSON does not know."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def packed(tensors: dict[str, Tensor], about: dict) -> bytes:
    """The content of a safetensors file."""
    # safetensors orders metadata keys at random; a single key keeps the bytes the same every time.
    return save(tensors, metadata={"about": json.dumps(about)})


def unpacked(content: bytes) -> tuple[dict[str, Tensor], dict]:
    """The inverse of `packed`; every tensor is a copy."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tensors = {name: tensor.clone() for name, tensor in load(content).items()}
    return tensors, json.loads(header["__metadata__"]["about"])


def fingerprint(tensors: dict[str, Tensor], about: dict) -> str:
    """SHA-256 of the tensors (names, types, shapes, numbers) and of what is said about them."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
