"""What a sweep's YAML file asks for, checked before anything is computed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from lore_core import datasets
from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.settings import whole_numbers
from lore_core.evaluation.sweep import Run, has_rank
from lore_core.evaluation.synthetic import Crowd
from lore_core.methods.registry import REGISTRY
from lore_core.tools import checks

Settings = Mapping[str, Any]
OF_USERS = tuple(field.name for field in fields(Crowd) if field.name != "concentration")
OF_TESTS = ("counts", "repeats", "shots")
NEEDED = ("data", "methods", "seeds", *OF_TESTS, "out", "work")
OWN = ("data", "concentrations", *OF_TESTS, *OF_USERS)  # what a data set may have of its own
NAME = re.compile(r"\w[\w.-]*")  # also the name of a folder


def read(path: Path | str) -> tuple[dict[str, Any], list[Run]]:
    """The settings of a sweep, and its runs.

    Args:
        path: a YAML file; profiles/sweep.yaml says what stands in one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not YAML, or asks for what there is not; the message says what.
    """
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except IsADirectoryError as error:
        raise FileNotFoundError(f"{path} is a folder, expected a YAML file") from error
    settings = mapping(str(path), settings)
    return settings, runs(settings)


def runs(settings: Settings) -> list[Run]:
    """Every combination of data set, concentration, method, rank and seed.

    Args:
        settings: what stands in the file.

    Raises:
        ValueError: something is missing, unknown, empty, or of another type.
    """
    check_names(settings)
    seeds = whole_numbers("seeds", settings["seeds"])
    shared = {name: settings[name] for name in (*OF_TESTS, *OF_USERS) if name in settings}
    crowds = [
        (name, told)
        for name, own in mapping("data", settings["data"]).items()
        for told in worlds(name, shared | own_settings(name, own))
    ]
    asked = methods(settings["methods"])
    return [
        Run(name, method, rank, Benchmark.read(told | {"seeds": (seed,)}))
        for (name, told), (method, rank), seed in product(crowds, asked, seeds)
    ]


def check_names(settings: Settings) -> None:
    """Raise a ValueError unless everything that is needed is there, and nothing unknown."""
    known = {*NEEDED, *OF_USERS}
    missing = [name for name in NEEDED if name not in settings]
    unknown = [name for name in settings if name not in known]
    wrong = [f"lacks {missing}"] * bool(missing) + [f"has the unknown {unknown}"] * bool(unknown)
    if wrong:
        raise ValueError(
            f"the sweep {' and '.join(wrong)}; see profiles/sweep.yaml for what it may have"
        )
    for name in ("out", "work"):
        checks.instance_of(name, settings[name], str)


def own_settings(name: object, own: object) -> dict[str, Any]:
    """What a data set has of its own, with where it is found."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(
            f"a data set is called {name!r}, expected letters, digits, dots and dashes; a file is "
            "named as in `mine: {data: mine.safetensors}`"
        )
    told = {} if own is None else mapping(f"data {name}", own)
    unknown = [key for key in told if key not in OWN]
    if unknown:
        raise ValueError(f"data {name} has the unknown {unknown}, expected some of {list(OWN)}")
    where = told.get("data", name)
    if where not in datasets.known() and not Path(str(where)).is_file():
        raise ValueError(
            f"the data set {where!r} is unknown and no file, expected one of "
            f"{', '.join(datasets.known())}, or a file as in `mine: {{data: mine.safetensors}}`"
        )
    return {**told, "data": str(where)}


def worlds(name: str, told: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of Benchmark, for each concentration, or for the data's own people."""
    users = {key: told.pop(key) for key in OF_USERS if key in told}
    if "concentrations" not in told:
        return [told | {"crowd": None}]
    alphas = told.pop("concentrations")
    if not isinstance(alphas, list) or not alphas:
        raise ValueError(
            f"concentrations of {name} is {alphas!r}, expected a list of numbers above 0; leave it "
            "out where the data have people of their own"
        )
    drawn = [checks.number(f"one of the concentrations of {name}", a, above=True) for a in alphas]
    once(f"concentrations of {name}", drawn)
    return [told | {"crowd": {"concentration": alpha} | users} for alpha in drawn]


def methods(asked: object) -> list[tuple[str, int | None]]:
    """Each method at each of its ranks; at None where it has none."""
    found: list[tuple[str, int | None]] = []
    for method, ranks in mapping("methods", asked).items():
        if method not in REGISTRY:
            raise ValueError(f"the method {method!r} is unknown, expected some of {[*REGISTRY]}")
        if has_rank(method):
            found += [(method, rank) for rank in ranks_of(method, ranks)]
        elif ranks is None:
            found.append((method, None))
        else:
            raise ValueError(
                f"{method} has the ranks {ranks!r}, but it is a method without a rank; write "
                f"`{method}:` and nothing behind it"
            )
    return found


def ranks_of(method: str, ranks: object) -> tuple[int, ...]:
    """The ranks at which a method is run."""
    if not isinstance(ranks, list) or not ranks:
        raise ValueError(f"{method} has the ranks {ranks!r}, expected a list such as [2, 5]")
    once(f"ranks of {method}", ranks)
    return tuple(checks.whole_number(f"one rank of {method}", rank, at_least=1) for rank in ranks)


def once(name: str, values: list[Any]) -> None:
    """Raise a ValueError if a value stands there twice."""
    if any(value in values[:i] for i, value in enumerate(values)):
        raise ValueError(f"{name} is {values!r}, expected every one of them once")


def mapping(name: str, value: object) -> dict[Any, Any]:
    """`value` as a dictionary that is not empty, or a ValueError naming `name`."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"{name} is {value!r}, expected names, each with what belongs to it")
    return dict(value)
