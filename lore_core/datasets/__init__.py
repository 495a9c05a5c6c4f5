"""One module per data set; each has a `load()` that returns its responses, or a World of people.

`load(name)` finds the module by its name: a new data set is one more file here and nothing else.
`people(name)` gives the whole World of a data set that has people.
"""

from importlib import import_module
from inspect import Signature, signature
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from lore_core.datasets import saved
from lore_core.datasets.world import World
from lore_core.preferences import Preferences
from lore_core.responses import Responses

MAY = ("encoder", "progress", "say")  # options that mean nothing where nothing is to be read
GIVEN = (Signature.empty, Responses, World, "Responses", "World")  # what a `load` says it returns
TABLES = tuple(
    f".{kind}{end}" for kind in ("csv", "tsv", "jsonl", "json", "parquet") for end in ("", ".gz")
)


def load(name_or_path: Path | str) -> tuple[Responses, Preferences | None]:
    """A data set of the course, or one of the reader's own.

    Args:
        name_or_path: the name of a data set, such as `alpaca_eval`; the path of a `.safetensors`
            file that `saved.write` wrote; or that of a table, see `table.from_table`.

    Returns:
        Responses; and real people's preferences, or None if the data set has none.

    Raises:
        ValueError: there is no such data set; the message names those there are.
        FileNotFoundError, ValueError: its file is missing or damaged.
        ImportError, OSError: its files have to come from a network, or an encoder has to read
            them, and that cannot be.
    """
    found = _found(name_or_path)
    if isinstance(found, World):
        return found.responses, found.preferences
    return found if isinstance(found, tuple) else (found, None)


def people(name_or_path: Path | str, encoder: Any = None, **options: Any) -> World:
    """A data set of people, with all that is known of them.

    Args:
        name_or_path: as in `load`.
        encoder: what reads its texts, if they have to be read, see `encoders.encoder`.
        options: of `table.from_table`, for a table.

    Raises:
        ValueError: there is no such data set, it has no people, or it takes no such option.
        FileNotFoundError, ImportError, OSError: as in `load`.
    """
    options |= {} if encoder is None else {"encoder": encoder}
    found = _found(name_or_path, **options)
    if isinstance(found, tuple) and found[1] is not None:
        import pandas as pd  # a third of a second that `load` of shipped numbers can do without

        responses, preferences = found
        return World(responses, preferences, pd.DataFrame(index=range(preferences.n_users)))
    if not isinstance(found, World):
        raise ValueError(f"{name_or_path} has responses, but no people who prefer one to another")
    return found


def _found(name_or_path: Path | str, **options: Any) -> Any:
    """What a file or a module of this package gives; it need not have all options of `MAY`."""
    if Path(str(name_or_path)).suffix not in ("", ".safetensors"):  # a table, or an error says why
        return import_module("lore_core.datasets.table").from_table(name_or_path, **options)
    if isinstance(name_or_path, Path) or str(name_or_path).endswith(".safetensors"):
        return saved.load(name_or_path)
    module = _module(str(name_or_path))
    if module is None or not _is_data_set(module):
        raise ValueError(
            f"the data set {name_or_path!r} is unknown, expected one of {', '.join(known())}, or "
            "the path of a .safetensors file that datasets.saved.write wrote, or of a table"
        )
    taken = signature(module.load).parameters
    unknown = sorted(set(options) - set(taken) - set(MAY))
    if unknown:
        raise ValueError(f"{name_or_path} is a data set of its own and takes no {unknown}")
    return module.load(**{name: option for name, option in options.items() if name in taken})


def known() -> list[str]:
    """The names that `load` takes, in the order of the alphabet."""
    return [name for name in sorted(_files()) if _is_data_set(_module(name))]


def _files() -> set[str]:
    """The names of the modules of this package; nothing is imported."""
    return {name for _, name, is_package in iter_modules(__path__) if not is_package}


def _module(name: str) -> ModuleType | None:
    """The module of this package with that name, imported now, or None."""
    return import_module(f"{__name__}.{name}") if name in _files() else None


def _is_data_set(module: ModuleType | None) -> bool:
    """Whether a module has a `load` of responses that can be called without arguments."""
    function = getattr(module, "load", None)
    if not callable(function):
        return False
    try:
        signature(function).bind()
    except TypeError:
        return False
    return signature(function).return_annotation in GIVEN
