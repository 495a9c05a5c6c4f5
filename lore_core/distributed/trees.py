"""Nested dictionaries and lists of tensors and numbers, as one flat list of tensors and JSON."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def taken_apart(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """What JSON can hold of a tree; its tensors go into a dictionary.

    Args:
        tree: of dictionaries, lists, tensors, numbers, strings and None.
        tensors: is filled.
    """
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        tensors[name] = tree.detach().as_subclass(Tensor)
        return {"tensor": name}
    if isinstance(tree, dict):
        return {"items": [[key, taken_apart(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        return [taken_apart(value, tensors) for value in tree]
    return tree


def put_together(plain: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `taken_apart`; tuples come back as lists."""
    if isinstance(plain, list):
        return [put_together(value, tensors) for value in plain]
    if not isinstance(plain, dict):
        return plain
    if "tensor" in plain:
        return tensors[plain["tensor"]]
    return {key: put_together(value, tensors) for key, value in plain["items"]}
