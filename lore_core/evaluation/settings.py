"""What a job is told in JSON, checked before anything is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from lore_core.tools import checks

Built = TypeVar("Built")


def named(kind: type[Built], settings: Mapping[str, Any]) -> Built:
    """The instance of a dataclass whose fields are named; those with a default may be left out.

    Raises:
        ValueError: a field is missing, or unknown.
    """
    expected = fields(kind)  # type: ignore[arg-type]
    known = {field.name for field in expected}
    needed = {field.name for field in expected if field.default is MISSING}
    if not needed <= settings.keys() <= known:
        raise ValueError(
            f"a {kind.__name__} got the settings {sorted(settings)}, expected {sorted(needed)}, "
            f"and nothing but {sorted(known)}"
        )
    return kind(**settings)


def whole_numbers(name: str, values: Sequence[int]) -> tuple[int, ...]:
    """Whole numbers from 0, each once and at least one of them, or a ValueError naming `name`."""
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(f"{name} is {values!r}, expected a list of whole numbers")
    for value in values:
        checks.whole_number(f"one of {name}", value, at_least=0)
    if len(set(values)) < len(values):
        raise ValueError(f"{name} is {values!r}, expected every one of them once")
    return tuple(values)
