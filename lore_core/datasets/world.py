"""What a data set gives: what is ranked, who preferred which, and a table of the people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lore_core.preferences import Preferences, check_world
from lore_core.responses import Responses

if TYPE_CHECKING:  # whoever has a table has pandas; data without people do without
    import pandas as pd


@dataclass(frozen=True, eq=False)
class World:
    """Responses, preferences and people; `responses, preferences, people = world` takes it apart.

    Args:
        responses: what is ranked.
        preferences: B pairs of N users.
        people: N rows, row u is user u; whatever the source tells of them.
        pairs: B rows, row b is pair b: what the source tells of a choice, such as its confidence.
        about: where it came from: source, revision, checksum, licence, encoder, date.

    Raises:
        ValueError: a pair points past the last response, or a table has another number of rows.
    """

    responses: Responses
    preferences: Preferences
    people: pd.DataFrame
    pairs: pd.DataFrame | None = None
    about: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_world(self.responses, self.preferences)
        check_rows("people", self.people, self.preferences.n_users, "user")
        if self.pairs is not None:
            check_rows("pairs", self.pairs, len(self.preferences), "pair")

    def __iter__(self) -> Iterator[Responses | Preferences | pd.DataFrame]:
        return iter((self.responses, self.preferences, self.people))


def check_rows(name: str, table: pd.DataFrame, n: int, of: str) -> None:
    """Raise a ValueError unless a table has n rows, one for each `of`."""
    if len(table) != n:
        raise ValueError(f"the table {name} has {len(table)} rows, expected {n}: one per {of}")
