"""One file of pairs, read in the order of its users: some whole users at a time.

Shapes: n users of a chunk, b pairs of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lore_core.adapt.arrow import arrow, compute, parquet
from lore_core.preferences import Preferences

COLUMNS = ["user", "chosen", "rejected"]
PAIRS = 2**16  # of a chunk, unless one user has more


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some users with all their pairs.

    Args:
        users: n distinct ids, an Arrow array.
        pairs: b pairs of n users, in the order of `users`, who are called by their ids.
    """

    users: Any
    pairs: Preferences


def chunks(path: Path, size: int = PAIRS) -> Iterator[Chunk]:
    """The users of a file with their pairs, about `size` pairs at a time.

    What is held in memory is one chunk, or the pairs of one user, and what Parquet needs to unpack
    a row group.

    Args:
        path: a file of pairs, sorted by user.
        size: pairs of a chunk, at least 1; a user's are never torn apart.

    Raises:
        ValueError: the file is damaged or not sorted, a value is missing, or a pair has the same
            row twice.
    """
    try:
        with parquet.ParquetFile(path) as file:
            names = user_type(path, file.schema_arrow)
            tables = (
                clean(path, arrow.Table.from_batches([batch]), names)
                for batch in file.iter_batches(size, columns=COLUMNS, use_threads=False)
            )
            yield from whole_users(path, tables, size)
    except arrow.ArrowException as error:
        raise ValueError(f"{path} cannot be read ({error}); write it again") from error


def whole_users(path: Path, tables: Iterator[Any], size: int) -> Iterator[Chunk]:
    """Tables of pairs, cut anew between users."""
    held = None
    for table in tables:
        held = table if held is None else arrow.concat_tables([held, table]).combine_chunks()
        if len(held) < size:
            continue
        last = int(starts(path, held)[-1])  # of a user whose pairs may go on
        if last:
            yield chunk(path, held.slice(0, last))
            held = held.slice(last)
    if held is not None and len(held):
        yield chunk(path, held)


def chunk(path: Path, table: Any) -> Chunk:
    """A table of whole users as preferences."""
    first = starts(path, table)
    users = table.column("user").take(first).combine_chunks()
    counts = np.diff(np.append(first, len(table)))
    try:
        pairs = Preferences(
            user=torch.arange(len(first)).repeat_interleave(torch.from_numpy(counts)),
            chosen=table.column("chosen").to_numpy(),
            rejected=table.column("rejected").to_numpy(),
            n_users=len(first),
            user_names=tuple(f"user {user!r}" for user in users.to_pylist()),
        )
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    return Chunk(users, pairs)


def starts(path: Path, table: Any) -> np.ndarray:
    """Where each user's pairs begin.

    Raises:
        ValueError: the users are not in order.
    """
    user = table.column("user")
    before, after = user.slice(0, len(user) - 1), user.slice(1)
    back = np.flatnonzero(compute.less(after, before).to_numpy())
    if len(back):
        late, early = (side[int(back[0])].as_py() for side in (before, after))
        raise ValueError(
            f"{path.name} is not sorted by user: {early!r} comes after {late!r}; sort it, then "
            "run the command again"
        )
    return np.append(0, np.flatnonzero(compute.not_equal(before, after).to_numpy()) + 1)


def clean(path: Path, table: Any, names: Any) -> Any:
    """The three columns without gaps, users as int64 or as strings, rows as int64."""
    for name in COLUMNS:
        if table.column(name).null_count:
            raise ValueError(f"{path.name} has an empty {name}; drop such pairs")
    types = {"user": names, "chosen": arrow.int64(), "rejected": arrow.int64()}
    return table.select(COLUMNS).cast(arrow.schema(list(types.items())))


def user_type(path: Path, schema: Any) -> Any:
    """The type of the users' ids as it is kept: int64 or string.

    Raises:
        ValueError: a column is missing or of another type.
    """
    missing = [name for name in COLUMNS if name not in schema.names]
    if missing:
        raise ValueError(
            f"{path.name} lacks {', '.join(missing)}; it has {', '.join(schema.names)}. Expected "
            "the columns user, chosen and rejected"
        )
    for name in COLUMNS[1:]:
        given = schema.field(name).type
        if not arrow.types.is_integer(given):
            raise ValueError(
                f"{name} of {path.name} has type {given}, expected whole numbers, "
                "rows of the responses. A column with gaps becomes one of floats; drop such pairs"
            )
    return id_type(path, schema.field("user").type)


def id_type(path: Path, given: Any) -> Any:
    """int64 for whole numbers, string for texts, or a ValueError."""
    types = arrow.types
    plain = given.value_type if types.is_dictionary(given) else given
    if types.is_integer(plain):
        return arrow.int64()
    if types.is_string(plain) or types.is_large_string(plain):
        return arrow.string()
    raise ValueError(f"user of {path.name} has type {given}, expected whole numbers or strings")
