"""Pairs on disk, sorted and in blocks, which a fit goes through one after the other.

    manifest.json       the files that these pairs come from; written first
    block-0.safetensors, ...
    index.safetensors   pairs per user, rows in use, the blocks' SHA-256; written last

A block's tensors are pages of its file: the operating system reads them when a gradient comes by,
and drops them when it needs the memory. What is held of B pairs of N users and M responses while
the folder is made is one block, and N + M numbers. If that is killed, it begins anew.

Shapes: M responses, N users, B pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from lore_core import sorted_pairs
from lore_core.distributed import inputs, kept
from lore_core.preferences import Preferences
from lore_core.prepared import PreparedPairs
from lore_core.sorted_pairs import Block, SortedPairs, cuts
from lore_core.tools import checksums, tensor_files
from lore_core.tools.progress import Bar

KIND, FORMAT = "sorted pairs", 1
INDEX, MEMORY = "index.safetensors", ".sums"
TENSORS = tuple(field.name for field in fields(Block) if field.name != "first")


def stored_pairs(
    source: Path | str, folder: Path | str, n_users: int | None = None
) -> PreparedPairs:
    """Pairs that need not fit in memory; `fit_basis` takes them in place of `Preferences`.

    Args:
        source: as of `inputs.preferences`; in the order of their users.
        folder: for the sorted blocks, 28 bytes for each pair; new, or made from the same source.
        n_users: N; default the largest user id and one.

    Raises:
        FileNotFoundError: there is no such source.
        ValueError: it holds something else, users are not in order, or the folder belongs to
            something else or is damaged.
    """
    store(Path(source), Path(folder), n_users)
    return opened(Path(folder))


def store(source: Path, folder: Path, n_users: int | None = None) -> None:
    """Make the folder, unless it is there; arguments and errors as of `stored_pairs`."""
    inputs.files_of(source)
    said = {"kind": KIND, "format": FORMAT, "pairs": kept.sums(source, folder / MEMORY)}
    kept.claim(folder, {**said, "users": n_users}, "folder")
    if not (folder / INDEX).is_file():
        Making(source, folder, n_users).make()


def opened(folder: Path) -> PreparedPairs:
    """The pairs of a folder that `store` has made.

    Raises:
        FileNotFoundError: there is none, or it was not finished.
        ValueError: a file is damaged.
    """
    if not (folder / INDEX).is_file():
        unfinished = "is unfinished; store" if (folder / kept.MANIFEST).is_file() else "has no"
        raise FileNotFoundError(f"{folder} {unfinished} sorted pairs; run `stored_pairs` on it")
    return tensor_files.read_as(
        folder / INDEX,
        KIND,
        lambda tensors, about: PreparedPairs(
            rows=tensors["rows"],
            pairs=SortedPairs(
                tuple(mapped(folder / name, *one) for name, one in about["blocks"].items()),
                tensors["counts"],
            ),
        ),
    )


def mapped(path: Path, first: int, digest: str) -> Block:
    """A block whose tensors are pages of a file."""
    if not path.is_file() or checksums.of_file(path, path.parent / MEMORY) != digest:
        raise ValueError(f"{path} is missing or damaged; remove {path.parent}, then store it again")
    return Block(first=first, **inputs.tensors(path, TENSORS))


@dataclass(frozen=True)
class Making:
    """A folder that is being made; arguments as of `stored_pairs`."""

    source: Path
    folder: Path
    n_users: int | None

    def make(self) -> None:
        """Go through the pairs twice: who and what is there, then block by block."""
        for left in self.folder.glob("block-*"):
            left.unlink()
        counts, rows = self.surveyed()
        blocks = dict(self.written(counts, rows))
        tensors = {"counts": counts, "rows": rows}
        tensor_files.write(self.folder / INDEX, tensors, {"kind": KIND, "blocks": blocks})

    def chunks(self, name: str, total: int | None = None) -> Iterator[Preferences]:
        """Some pairs at a time, checked one by one and in the order of their users."""
        last = 0
        with Bar(name, total, "pair") as bar:
            for ids in inputs.chunks(self.source, sorted_pairs.PAIRS):
                some = inputs.paired(ids, self.n_users)
                check_order(self.source, some.user, last)
                last = int(some.user[-1])
                bar.step(n=len(some))
                yield some

    def surveyed(self) -> tuple[Tensor, Tensor]:
        """Pairs per user (N,), and the rows that some pair names."""
        counts, named = torch.zeros(self.n_users or 1).long(), torch.zeros(1, dtype=torch.bool)
        last = 0
        for some in self.chunks("count pairs"):
            first, last = int(some.user[0]), int(some.user[-1])
            counts = grown(counts, last + 1)
            counts[first : last + 1] += (some.user - first).bincount()
            named = grown(named, 1 + max(int(some.chosen.max()), int(some.rejected.max())))
            named[some.chosen] = True
            named[some.rejected] = True
        return counts[: self.n_users or last + 1].clone(), named.nonzero().flatten()

    def written(self, counts: Tensor, rows: Tensor) -> Iterator[tuple[str, tuple[int, str]]]:
        """Write every block; its name, its first user, and the SHA-256 of its file."""
        ends, first = counts.cumsum(0), 0
        lasts = cuts(ends, max(sorted_pairs.PAIRS, len(rows)))
        sizes = ends[[last - 1 for last in lasts]].diff(prepend=ends.new_zeros(1)).tolist()
        pairs = (
            torch.stack([some.user, *(torch.searchsorted(rows, ids) for ids in sides(some))]).int()
            for some in self.chunks("sort pairs", int(ends[-1]))
        )
        for number, (last, columns) in enumerate(zip(lasts, pieces(pairs, sizes), strict=True)):
            block = Block.of(first, last - first, list(columns), len(rows))
            content = save({name: getattr(block, name).contiguous() for name in TENSORS})
            name = f"block-{number}.safetensors"
            checksums.write(self.folder / name, content)
            yield name, (first, checksums.sha256(content))
            first = last


def sides(pairs: Preferences) -> tuple[Tensor, Tensor]:
    """Chosen and rejected rows."""
    return pairs.chosen, pairs.rejected


def check_order(source: Path, user: Tensor, last: int) -> None:
    """Raise a ValueError unless users are ascending, after the last one before them."""
    before = torch.cat([user.new_tensor([last]), user[:-1]])
    back = (user < before).nonzero().flatten()
    if len(back):
        late, early = int(before[back[0]]), int(user[back[0]])
        raise ValueError(
            f"{source} is not sorted by user: {early} comes after {late}; sort it, or leave out "
            "the folder, which holds all pairs in memory"
        )


def grown(table: Tensor, n: int) -> Tensor:
    """A table of at least n numbers; new ones are 0."""
    if len(table) >= n:
        return table
    return torch.cat([table, table.new_zeros(max(n, 2 * len(table)) - len(table))])


def pieces(chunks: Iterator[Tensor], sizes: list[int]) -> Iterator[Tensor]:
    """Chunks (3, b) of columns, cut anew into pieces of the sizes that are asked for."""
    held = torch.zeros(3, 0, dtype=torch.int32)
    for size in sizes:
        parts = [held]
        while sum(part.shape[1] for part in parts) < size:
            parts.append(next(chunks))
        whole = torch.cat(parts, 1)
        yield whole[:, :size]
        held = whole[:, size:].clone()
