"""Files that processes of one machine share: mapped into memory, where the format allows it.

Shapes: M responses, d features, B pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import checks, extra

IDS = "user", "chosen", "rejected"


def responses(path: Path) -> Responses:
    """Responses whose embeddings are pages of a file, which its readers share.

    Args:
        path: (M, d) floats as .npy, or the tensor `embeddings` of a .safetensors file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    rows = array(path) if path.suffix == ".npy" else tensors(path, ("embeddings",))["embeddings"]
    return Responses(rows, torch.zeros(len(rows), dtype=torch.long))


def preferences(path: Path, n_users: int | None = None) -> Preferences:
    """Pairs from a file or a folder.

    Args:
        path: the tensors `user`, `chosen` and `rejected` of a .safetensors file, which is mapped;
            or columns of these names of a Parquet file, or of all *.parquet in a folder, by name.
        n_users: N; default the largest user id and one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else, or ids out of range.
    """
    safe = path.suffix == ".safetensors"
    return paired(tensors(path, IDS) if safe else columns(path), n_users)


def paired(ids: Mapping[str, Tensor], n_users: int | None) -> Preferences:
    """Columns user, chosen and rejected as pairs; n_users as of `preferences`."""
    user = checks.index_vector("user", ids["user"])
    largest = int(user.max()) if len(user) else 0
    return Preferences(user, ids["chosen"], ids["rejected"], n_users or largest + 1)


def chunks(path: Path, size: int) -> Iterator[dict[str, Tensor]]:
    """User, chosen and rejected of at most `size` pairs at a time, in their order.

    Args:
        path: as of `preferences`.
        size: pairs.

    Raises:
        FileNotFoundError, ValueError: as `preferences`.
    """
    if path.suffix == ".safetensors":
        ids = tensors(path, IDS)
        for first in range(0, len(ids["user"]), size):
            yield {name: column[first : first + size] for name, column in ids.items()}
        return
    parquet = extra.needed("pyarrow.parquet", "reading Parquet")
    for file in files_of(path):
        with no_parquet(path), parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(size, columns=list(IDS), use_threads=False):
                if len(batch):
                    yield {name: torch.tensor(batch[name].to_numpy(False)) for name in IDS}


def array(path: Path) -> Tensor:
    """An array in a .npy file, mapped; nothing that is written to it reaches the file."""
    try:
        return torch.from_numpy(np.load(there(path), mmap_mode="c"))
    except (ValueError, TypeError, EOFError) as error:
        raise ValueError(f"{path} is no table of embeddings ({error})") from error


def tensors(path: Path, names: tuple[str, ...]) -> dict[str, Tensor]:
    """Some tensors of a .safetensors file, mapped."""
    try:
        with safe_open(there(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(
            f"{path} is no safetensors file with {', '.join(names)} ({error})"
        ) from error


def columns(path: Path) -> dict[str, Tensor]:
    """User, chosen and rejected of a Parquet file, or of all in a folder."""
    parquet = extra.needed("pyarrow.parquet", "reading Parquet")
    with no_parquet(path):
        tables = [parquet.read_table(file, columns=list(IDS)) for file in files_of(path)]
        return {
            name: torch.cat([torch.tensor(table[name].to_numpy()) for table in tables])
            for name in IDS
        }


@contextmanager
def no_parquet(path: Path) -> Iterator[None]:
    """Say of a path what does not become columns of numbers."""
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is no Parquet with whole numbers user, chosen and rejected ({error}); "
            "names of users have to be numbered from 0"
        ) from error


def files_of(path: Path) -> list[Path]:
    """The path itself, or the Parquet files of a folder, by name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the folder has none.
    """
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [there(path)]
    if not files:
        raise ValueError(f"{path} has no *.parquet")
    return files


def there(path: Path) -> Path:
    """The path itself.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    return path
