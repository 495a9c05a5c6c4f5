"""Pairs of many users in Parquet: each file holds whole users, in order, and no two share one.

A partition is one file with the columns user (whole numbers or strings), chosen and rejected (row
numbers of the responses). It is sorted by user, and the users of two files do not interleave. So a
user in two files shows in the first and the last row of each, and nothing else has to be read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lore_core.adapt.arrow import arrow, parquet
from lore_core.adapt.chunks import chunks, user_type

User = int | str
TAIL = 8  # bytes: the length of the footer, and the magic word


@dataclass(frozen=True)
class Partition:
    """One file of pairs.

    Args:
        path: the file.
        rows: B, its pairs.
        first, last: users; None where there are no pairs.
        footer: SHA-256 of the Parquet footer, which lists the sizes and ranges of all columns.
    """

    path: Path
    rows: int
    first: User | None
    last: User | None
    footer: str

    def __str__(self) -> str:
        return f"{self.path.name} (users {self.first!r} to {self.last!r})"


def partitions(folder: Path | str) -> list[Partition]:
    """The files of a folder, in the order of their names.

    Args:
        folder: with files `*.parquet`.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it has no such file, one of them is none, lacks a column or has one of another
            type; or a user's pairs lie in two of them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give one with files of pairs, *.parquet")
    paths = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    if not paths:
        raise ValueError(f"{folder} holds no *.parquet; write the pairs there, sorted by user")
    found = [looked_at(path) for path in paths]
    if not any(partition.rows for partition in found):
        raise ValueError(f"the {len(found)} files of {folder} hold no pairs; nothing to learn from")
    check_apart([partition for partition in found if partition.rows])
    return found


def looked_at(path: Path) -> Partition:
    """What can be known of a file from its footer, its first user and its last.

    Raises:
        ValueError: it is no Parquet file, lacks a column, has one of another type, or
            pairs of nobody.
    """
    try:
        with parquet.ParquetFile(path) as file:
            user_type(path, file.schema_arrow)
            rows = file.metadata.num_rows
            first, last = (end_user(file, which) if rows else None for which in (0, -1))
    except arrow.ArrowException as error:
        raise ValueError(f"{path} is no Parquet file ({error}); write it again") from error
    if rows and (first is None or last is None):
        raise ValueError(f"{path.name} has an empty user; drop such pairs")
    return Partition(path, rows, first, last, footer_sum(path))


def end_user(file: Any, which: int) -> User:
    """The user of the first (0) or the last (-1) row, of a file that has rows."""
    groups = [g for g in range(file.num_row_groups) if file.metadata.row_group(g).num_rows]
    return file.read_row_group(groups[which], columns=["user"]).column(0)[which].as_py()


def footer_sum(path: Path) -> str:
    """SHA-256 of a Parquet footer: another content nearly always has another one."""
    with path.open("rb") as file:
        file.seek(-TAIL, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-TAIL - length, os.SEEK_END)
        return hashlib.sha256(file.read(length)).hexdigest()


def check_apart(found: Sequence[Partition]) -> None:
    """Make sure that no user can lie in two files.

    Raises:
        ValueError: users are numbers here and strings there, or two files overlap.
    """
    kinds = {type(partition.first): partition for partition in found}
    if len(kinds) > 1:
        one, other = list(kinds.values())[:2]
        raise ValueError(f"{one} and {other} name users by numbers and by strings; choose one")
    ordered = sorted(found, key=lambda partition: (partition.first, partition.last))
    furthest = ordered[0]
    for partition in ordered[1:]:
        if partition.first <= furthest.last:  # type: ignore[operator]
            raise ValueError(overlap(furthest, partition))
        furthest = partition


def overlap(one: Partition, other: Partition) -> str:
    """What to say of two files that overlap; only now their users are read."""
    known = set(users_of(one))
    shared = next((user for user in users_of(other) if user in known), None)
    remedy = "sort all pairs by user, then cut them between users"
    if shared is None:
        return f"{one} and {other} overlap; {remedy}"
    return f"the pairs of user {shared!r} lie in two partitions, {one} and {other}; {remedy}"


def users_of(partition: Partition) -> Iterator[User]:
    """The users of a file, in their order."""
    for chunk in chunks(partition.path):
        yield from chunk.users.to_pylist()
