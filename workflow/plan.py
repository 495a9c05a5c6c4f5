"""What a profile asks for: which methods on which crowds, and what each job is told.

A crowd has a name, which is also that of its folder: its concentration, or "people" for real ones,
or the name of a condition, which is the first crowd with something changed.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import yaml

from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.report import PEOPLE, check_methods
from lore_core.evaluation.synthetic import Crowd

Config = Mapping[str, Any]
Settings = dict[str, Any]
AS_IT_IS = "as it is"  # the first crowd among the conditions
SHARED = ("data", "counts", "repeats", "shots", "seeds")
OF_BENCHMARK = ("data", "only")  # what a condition may change beside the users
ALSO = ("concentrations", "methods", "asides", "out", "work")
LISTS = ("seeds", "counts", "concentrations")
SIZES = [field.name for field in fields(Crowd)]


def typed(config: Config) -> Settings:
    """The profile with numbers in its lists; those of a command line come as text."""
    lists = {
        key: [yaml.safe_load(one) if isinstance(one, str) else one for one in config[key]]
        for key in LISTS
        if isinstance(config.get(key), list)
    }
    return {**config, **lists}


def crowds(config: Config) -> list[str]:
    """The crowds of the main tables; where none is drawn, the data set's own people."""
    return [str(alpha) for alpha in config["concentrations"]] or [PEOPLE]


def conditions(config: Config) -> dict[str, Settings]:
    """What each condition changes, by its name."""
    return config.get("conditions") or {}


def methods(config: Config) -> dict[str, list[str]]:
    """The methods of every crowd and condition; the first crowd has the asides, which are slow."""
    first, *others = crowds(config)
    asked = list(config["condition_methods"]) if conditions(config) else []
    everything = list(dict.fromkeys([*config["asides"], *config["methods"], *asked]))
    return (
        {first: everything}
        | {crowd: list(config["methods"]) for crowd in others}
        | {name: list(some.get("methods", asked)) for name, some in conditions(config).items()}
    )


def settings(config: Config) -> dict[str, Settings]:
    """The fields of Benchmark, for every crowd and condition."""
    shared = {key: config[key] for key in SHARED}
    drawn = {key: config[key] for key in SIZES if key in config}
    plain = {
        name: shared | {"crowd": None if name == PEOPLE else {"concentration": float(name)} | drawn}
        for name in crowds(config)
    }
    first = plain[crowds(config)[0]]
    return plain | {name: changed(first, some) for name, some in conditions(config).items()}


def changed(first: Settings, condition: Settings) -> Settings:
    """The settings of the first crowd with what a condition changes: data, users, candidates."""
    told = {key: value for key, value in condition.items() if key != "methods"}
    users = {key: told.pop(key) for key in set(told) - set(OF_BENCHMARK)}
    crowd = {**(first["crowd"] or {}), **users} or None
    return first | told | {"crowd": crowd}


def check(config: Config) -> None:
    """Raise a ValueError unless everything that is asked for can be run and has its table."""
    missing = [key for key in (*SHARED, *ALSO) if key not in config]
    if missing:
        raise ValueError(f"the profile lacks {missing}; see profiles/full.yaml for what they mean")
    people = crowds(config) == [PEOPLE]
    check_methods([*config["methods"], *config["asides"]], best_of_n=not people)
    for name in conditions(config):
        check_methods(methods(config)[name], best_of_n=False)
        if name in (*crowds(config), AS_IT_IS) or "/" in name:
            raise ValueError(
                f"a condition is called {name!r}, expected a name without a slash, and other than "
                f"{AS_IT_IS!r} and {', '.join(crowds(config))}"
            )
    for asked in settings(config).values():
        Benchmark.read(asked)
