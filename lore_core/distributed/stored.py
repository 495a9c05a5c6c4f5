"""Pairs on disk, sorted and in blocks, which a fit goes through one after the other.

    manifest.json       the files that these pairs come from; written first
    block-0.safetensors, ...
    index.safetensors   pairs per user, rows in use, the blocks' SHA-256; written last

A block's tensors are pages of its file: the operating system reads them when a gradient comes by,
and drops them when it needs the memory. If the making of a folder is killed, it begins anew.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from safetensors.torch import save

from lore_core.distributed import inputs, kept
from lore_core.distributed.sorting import Source
from lore_core.prepared import PreparedPairs
from lore_core.sorted_pairs import Block, SortedPairs
from lore_core.tools import checksums, manifests, tensor_files

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
    if is_unfinished(folder):
        empty(folder)
    manifests.claim(folder, {**said, "users": n_users})
    if not (folder / INDEX).is_file():
        make(Source(source, n_users), folder)


def is_unfinished(folder: Path) -> bool:
    """Whether somebody began to store pairs here, and was stopped."""
    manifest = folder / manifests.NAME
    begun = manifest.is_file() and manifests.read(folder).get("kind") == KIND
    return begun and not (folder / INDEX).is_file()


def empty(folder: Path) -> None:
    """Remove what was stored, also half of a file; at the end the word that it belongs to."""
    for left in (*folder.glob("block-*"), *folder.glob(".block-*"), folder / manifests.NAME):
        left.unlink()


def make(source: Source, folder: Path) -> None:
    """Write block by block, and the index at the end."""
    counts, rows = source.surveyed()
    blocks = {}
    for number, block in enumerate(source.blocks(counts, rows)):
        path = folder / f"block-{number}.safetensors"
        blocks[path.name] = block.first, written(path, block)
    tensors = {"counts": counts, "rows": rows}
    tensor_files.write(folder / INDEX, tensors, {"kind": KIND, "blocks": blocks})


def written(path: Path, block: Block) -> str:
    """The SHA-256 of a block's file, which lies there now."""
    content = save({name: getattr(block, name).contiguous() for name in TENSORS})
    checksums.write(path, content)
    return checksums.sha256(content)


def opened(folder: Path) -> PreparedPairs:
    """The pairs of a folder that `store` has made.

    Raises:
        FileNotFoundError: there is none, or it was not finished.
        ValueError: a file is damaged.
    """
    if not (folder / INDEX).is_file():
        how = "is unfinished" if is_unfinished(folder) else "holds no sorted pairs"
        raise FileNotFoundError(f"{folder} {how}; `stored_pairs` makes it, and begins anew")
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
