"""Checks at the door: each returns clean values or says what was given and what was expected."""

import math
from collections.abc import Sequence, Sized
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

REAL = (int, float, np.integer, np.floating)
ROUNDING = 1e-4  # how far the sum of weights in float32 may be off 1
HALF = 1e-2  # and of weights in half precision


def tensor(name: str, values: object) -> Tensor:
    """`values` as a tensor. A tensor is taken as it is; everything else is copied.

    So a later change of an array, or of a table's column, does not slip past the checks. Numbers
    in a list are read as NumPy reads them, in float64.

    Args:
        name: what the values are, for the message.
        values: a tensor, a NumPy array, a pandas Series or DataFrame, or a list of numbers.

    Raises:
        ValueError: torch cannot hold such values.
    """
    if isinstance(values, Tensor):
        if values.layout is not torch.strided:
            raise ValueError(f"{name} is stored as {values.layout}; pass {name}.to_dense()")
        return values
    try:
        if np.ma.is_masked(values):
            raise ValueError("some are masked")
        array = np.array(values, order="C")  # of a Series the values, whatever its index
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(
            f"{name} is a {type(values).__name__} that is not all numbers ({error}); give a "
            "tensor, an array or a list of numbers without gaps"
        ) from error


def float_matrix(name: str, values: object) -> Tensor:
    """`values` as a finite floating (rows, columns) tensor, or a ValueError naming `name`."""
    matrix = tensor(name, values)
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


def index_vector(name: str, values: object) -> Tensor:
    """`values` as a (rows,) tensor of non-negative int64, or a ValueError naming `name`."""
    ids = tensor(name, values)
    if ids.numel() == 0 and ids.ndim == 1:
        return ids.long()  # an empty list comes as floats
    whole = not (ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool)
    if ids.ndim != 1 or not whole:
        raise ValueError(
            f"{name} has shape {tuple(ids.shape)} and type {ids.dtype}, "
            "expected one dimension of whole numbers"
        )
    ids = ids.long()
    if int(ids.min()) < 0:
        raise ValueError(f"{name} contains {int(ids.min())}; ids and rows start at 0")
    return ids


def mask(name: str, values: object) -> Tensor:
    """`values` as a (rows,) tensor of True and False, or a ValueError naming `name`."""
    given = tensor(name, values)
    if given.ndim != 1 or given.dtype != torch.bool:
        raise ValueError(
            f"{name} has shape {tuple(given.shape)} and type {given.dtype}, expected True or False "
            "for each row"
        )
    return given


def names(what: str, given: Sequence[str], n: int) -> tuple[str, ...]:
    """`given` as n strings, or as none, or a ValueError naming `what`."""
    if isinstance(given, str):
        raise ValueError(f"{what} is the string {given[:40]!r}, expected a list of strings")
    strings = tuple(given)
    wrong = next((row for row, name in enumerate(strings) if not isinstance(name, str)), None)
    if wrong is not None:
        raise ValueError(
            f"{what}[{wrong}] is {strings[wrong]!r}, expected a string; turn ids into strings first"
        )
    if len(strings) not in (0, n):
        raise ValueError(f"{what} has {len(strings)} strings, expected {n}, or none")
    return strings


def simplex_rows(name: str, values: object) -> Tensor:
    """`values` as a table whose rows are weights: none below 0, summing to one.

    Raises:
        ValueError: they are something else, most often logits.
    """
    given = tensor(name, values)
    weights = float_matrix(name, given)
    off_by = HALF if given.element_size() < 4 else ROUNDING
    off = (weights.sum(1) - 1).abs() > off_by
    bad = ((weights < 0).any(1) | off).nonzero().flatten()
    if len(bad):
        row = ", ".join(f"{weight:.3g}" for weight in weights[bad[0]].tolist())
        raise ValueError(
            f"{name} of {len(bad)} users do not lie on the simplex, first row {int(bad[0])}: "
            f"[{row}]; expected numbers of at least 0 that sum to 1. Of logits, pass the softmax"
        )
    return weights / weights.sum(1, keepdim=True) if off_by == HALF else weights


def vector(name: str, values: object) -> Tensor:
    """`values` as one real number per user, float64 on the CPU; NaN stands for none.

    Raises:
        ValueError: they are a table, not real, or infinite.
    """
    given = tensor(name, values)
    if given.ndim != 1 or given.is_complex():
        raise ValueError(
            f"{name} has shape {tuple(given.shape)} and type {given.dtype}, expected one number "
            "per user"
        )
    numbers = given.detach().double().cpu()
    if numbers.isinf().any():
        raise ValueError(f"{name} has infinite values; a mean over users needs a number of each")
    return numbers


def finite(name: str, values: Tensor, remedy: str) -> Tensor:
    """`values` themselves, or a ValueError if one of them is NaN or infinite."""
    bad = (~values.isfinite()).sum()
    if bad:
        raise ValueError(f"{name}: {int(bad)} of {values.numel()} are NaN or infinite; {remedy}")
    return values


def whole_number(name: str, value: Any, at_least: int) -> int:
    """`value` as an int, or a ValueError unless it is a whole number and large enough."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < at_least:
        raise ValueError(f"{name} is {value!r}, expected a whole number of at least {at_least}")
    return int(value)


def whole_numbers(at_least: int, /, **values: object) -> None:
    """`whole_number` for several values, each by its own name."""
    for name, value in values.items():
        whole_number(name, value, at_least)


def number(name: str, value: Any, above: bool = False) -> float:
    """`value` as a float, or a ValueError unless it is finite and at least (or above) 0."""
    real = isinstance(value, REAL) and not isinstance(value, bool)
    try:
        plain = float(value) if real else math.nan
    except OverflowError:  # a whole number beyond all floats
        plain = math.inf
    if not math.isfinite(plain) or plain < 0 or (above and plain == 0):
        expected = "a number above 0" if above else "0 or more"
        raise ValueError(f"{name} is {value!r}, expected {expected}, and finite")
    return plain


def rising(name: str, values: tuple[Any, ...]) -> None:
    """Raise a ValueError unless `values` are numbers of at least 0, each larger than the last."""
    numbers = [number(name, value) for value in values]
    if not numbers or any(b <= a for a, b in pairwise(numbers)):
        raise ValueError(f"{name} is {values!r}, expected a number, or several from small to large")


def flag(name: str, value: object) -> None:
    """Raise a ValueError unless `value` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is {value!r}, expected True or False")


def two(name: str, value: object, expected: str) -> tuple[float, float]:
    """`value` as two numbers, or a ValueError that says what was expected."""
    both = tuple(value) if isinstance(value, tuple | list) else ()
    if len(both) != 2 or not all(isinstance(v, REAL) and not isinstance(v, bool) for v in both):
        raise ValueError(f"{name} is {value!r}, expected {expected}")
    return both[0], both[1]


def one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is a known option."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(known)}")


def instance_of(name: str, value: object, expected: type) -> None:
    """Raise a ValueError unless `value` is of the expected class."""
    if not isinstance(value, expected):
        home = f"{expected.__module__.split('.')[0]}'s " if "torch" in expected.__module__ else ""
        raise ValueError(
            f"{name} is a {type(value).__name__}, expected {home}{expected.__name__}; "
            "are the arguments in their order?"
        )


def below(name: str, ids: Tensor, limit: int) -> None:
    """Raise a ValueError if one of the non-negative ids is not below the limit."""
    if len(ids) and int(ids.max()) >= limit:
        raise ValueError(
            f"{name} contains {int(ids.max())}, but there are {limit} (0 to {limit - 1})"
        )


def same_length(name: str, one: Sized, other_name: str, other: Sized) -> None:
    """Raise a ValueError unless both have one entry per row."""
    if len(one) != len(other):
        raise ValueError(f"{name} has {len(one)} rows but {other_name} has {len(other)}")


def set_field(instance: object, name: str, value: object) -> None:
    """Store a checked value on a frozen dataclass while it is being made."""
    object.__setattr__(instance, name, value)
