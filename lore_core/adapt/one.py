"""One partition: read the pairs of some users, fit their weights, go on; at the end one rename.

Shapes: N users, B pairs, N' seen users, K basis rewards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lore_core.adapt.arrow import arrow, parquet
from lore_core.adapt.chunks import PAIRS, Chunk, chunks, user_type
from lore_core.adapt.shared import WEIGHTS, Shared, opened
from lore_core.few_shot import ASKED, fit_weights
from lore_core.tools import files, progress

CELLS = 2**24  # of the table (users of a chunk, seen users), which a posterior needs
ROWS = 2**16  # users of a row group of the answers


@dataclass(frozen=True)
class Job:
    """What a worker is told.

    Args:
        pairs: a partition.
        folder: of the answers, with all that is shared.
        stamp: SHA-256 of its manifest.
        device: where to compute; default a GPU if there is one.
    """

    pairs: Path
    folder: Path
    stamp: str
    device: str | None = None

    @property
    def target(self) -> Path:
        """The answers."""
        return self.folder / WEIGHTS / self.pairs.name

    def __call__(self) -> tuple[str, int]:
        """The name of the partition and the number of its users, whose weights now lie there.

        What lies there already is left alone. A file appears whole or not at all, so a worker may
        die at any time, and two may do the same.

        Raises:
            ValueError: the pairs cannot be read, or are not pairs of these responses.
        """
        if not self.target.exists():
            self.write()
        return self.pairs.name, rows_of(self.target)

    def write(self) -> None:
        """Fit the weights and write them."""
        shared = opened(self.folder, self.stamp)
        nobody = nothing(self.pairs, shared)
        with files.whole(self.target) as unfinished:
            with parquet.ParquetWriter(unfinished, nobody.schema) as writer:
                for table in gathered(weights(self, shared)):
                    writer.write_table(table)


def weights(job: Job, shared: Shared) -> Iterator[Any]:
    """Tables of user, w_1, …, w_K; one for each chunk of the pairs."""
    size = min(PAIRS, max(1, CELLS // min(ASKED, len(shared.reward.logits))))
    for chunk in chunks(job.pairs, size):
        yield fitted(chunk, job, shared)


def fitted(chunk: Chunk, job: Job, shared: Shared) -> Any:
    """The weights of a chunk's users, as a table."""
    try:
        with progress.silent():  # one bar, of partitions, is enough
            found = fit_weights(
                shared.reward, shared.responses, chunk.pairs, shared.recipe, device=job.device
            )
    except ValueError as error:
        raise ValueError(f"{job.pairs.name}: {error}") from error
    return table_of(chunk.users, found.cpu())


def table_of(users: Any, found: torch.Tensor) -> Any:
    """Users with their weights as an Arrow table."""
    columns = {f"w_{k}": column.contiguous().numpy() for k, column in enumerate(found.T, start=1)}
    return arrow.table({"user": users} | columns)


def nothing(path: Path, shared: Shared) -> Any:
    """The weights of nobody: the columns of the answers."""
    users = arrow.array([], user_type(path, parquet.read_schema(path)))
    return table_of(users, shared.reward.logits[:0])


def gathered(tables: Iterator[Any]) -> Iterator[Any]:
    """Tables put together to row groups of a good size."""
    held: list[Any] = []
    for table in tables:
        held.append(table)
        if sum(map(len, held)) >= ROWS:
            yield arrow.concat_tables(held)
            held = []
    if held:
        yield arrow.concat_tables(held)


def rows_of(path: Path) -> int:
    """The number of rows of a Parquet file."""
    return parquet.read_metadata(path).num_rows
