"""Checks at the door: each returns clean values or says what was given and what was expected."""

from numbers import Integral

import torch
from torch import Tensor


def float_matrix(name: str, values) -> Tensor:
    """`values` as a finite floating (rows, columns) tensor, or a ValueError naming `name`."""
    matrix = torch.as_tensor(values)
    if matrix.ndim != 2 or not matrix.is_floating_point():
        raise ValueError(
            f"{name} has shape {tuple(matrix.shape)} and type {matrix.dtype}, "
            "expected a floating-point table of two dimensions"
        )
    if matrix.element_size() < 4:  # half precision is for storing, not for computing
        matrix = matrix.float()
    bad = (~matrix.isfinite()).any(1).nonzero().flatten()
    if len(bad):
        raise ValueError(
            f"{name} has NaN or infinite values in {len(bad)} rows, first row {int(bad[0])}; "
            "drop these rows, or make them again"
        )
    return matrix


def index_vector(name: str, values) -> Tensor:
    """`values` as a (rows,) tensor of non-negative int64, or a ValueError naming `name`."""
    vector = torch.as_tensor(values)
    if vector.numel() == 0 and vector.ndim == 1:
        return vector.long()  # an empty list comes as floats
    if vector.ndim != 1 or vector.is_floating_point() or vector.dtype == torch.bool:
        raise ValueError(
            f"{name} has shape {tuple(vector.shape)} and type {vector.dtype}, "
            "expected one dimension of whole numbers"
        )
    if len(vector) and int(vector.min()) < 0:
        raise ValueError(f"{name} contains {int(vector.min())}; ids and rows start at 0")
    return vector.long()


def whole_number(name: str, value, at_least: int) -> None:
    """Raise a ValueError unless `value` is a whole number and large enough."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < at_least:
        raise ValueError(f"{name} is {value!r}, expected a whole number of at least {at_least}")


def same_length(name: str, one: Tensor, other_name: str, other: Tensor) -> None:
    """Raise a ValueError unless both have one entry per row."""
    if len(one) != len(other):
        raise ValueError(f"{name} has {len(one)} rows but {other_name} has {len(other)}")


def set_field(instance, name: str, value) -> None:
    """Store a checked value on a frozen dataclass while it is being made."""
    object.__setattr__(instance, name, value)
