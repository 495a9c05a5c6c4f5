"""Learns a basis on several processes, from the command line.

torchrun --nproc_per_node=2 -m lore_core.train --responses FILE --pairs FILE --rank 5 --out FOLDER

Without torchrun, `python -m lore_core.train` does the same in one process.
"""

import argparse
import os
import signal
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from lore_core import recipes
from lore_core.distributed import inputs, kept, stored
from lore_core.distributed.checkpoints import Checkpoints
from lore_core.distributed.fit import check, fit_together
from lore_core.distributed.processes import Processes, started
from lore_core.prepared import Learnable
from lore_core.recipes import Recipe
from lore_core.tools import checks, command, manifests

DESCRIPTION = (
    "Fit a basis and the weights of its users. Each process takes some of the users; embeddings "
    "are read in place, and shared by the processes of a machine."
)
EPILOG = """
Stop it when you like: the same command goes on from the last checkpoint. In --out are then
  manifest.json       which files, recipe and seed this is made from
  reward.safetensors  what LowRankReward.load reads
  fit.json            losses, the ridge that validation pairs chose, seconds
"""
NEEDED = ("responses", "pairs", "rank", "out")
RECIPES = {"ours": Recipe(), "weak-ridge": recipes.WEAK_RIDGE, "paper": recipes.PAPER}
CHANGES = "steps", "ridge_basis", "ridge_logits", "tolerance", "temperature", "average"
OPTIONS: dict[str, dict[str, Any]] = {
    "--responses": {
        "metavar": "FILE",
        "type": Path,
        "help": "embeddings (M, d): .npy, or .safetensors with the tensor embeddings",
    },
    "--pairs": {
        "metavar": "PATH",
        "type": Path,
        "help": "user, chosen, rejected: .safetensors, .parquet, or a folder with *.parquet",
    },
    "--validation": {
        "metavar": "PATH",
        "type": Path,
        "help": "other pairs of the same users, which stop early and choose the ridge",
    },
    "--rank": {"metavar": "K", "type": int, "help": "basis rewards"},
    "--out": {"metavar": "FOLDER", "type": Path, "help": "for all that is made"},
    "--stream": {
        "metavar": "FOLDER",
        "type": Path,
        "help": "for pairs that do not fit in memory: they are sorted once into blocks there, and "
        "read block by block; --pairs have to be in the order of their users",
    },
    "--users": {"metavar": "N", "type": int, "help": "users (default the largest id and one)"},
    "--seed": {"type": int, "default": 0, "help": "of the random start (default 0)"},
    "--recipe": {"choices": RECIPES, "default": "ours", "help": "default ours; then changed by"},
    "--steps": {"type": int, "help": "optimiser steps at most"},
    "--ridge-basis": {"type": float, "nargs": "+", "help": "one, or several from weak to strong"},
    "--ridge-logits": {"type": float, "help": "penalty of the users' logits"},
    "--tolerance": {"type": float, "help": "share of the loss below which a step gains nothing"},
    "--temperature": {"type": float, "help": "of the choices"},
    "--average": {"choices": ("pair", "user"), "help": "what counts alike"},
    "--checkpoint-steps": {
        "metavar": "N",
        "type": int,
        "default": 10,
        "help": "a checkpoint after so many steps (default 10)",
    },
    "--checkpoint-seconds": {
        "metavar": "S",
        "type": float,
        "default": 300,
        "help": "or after so many seconds (default 300)",
    },
    "--timeout": {
        "metavar": "S",
        "type": float,
        "default": 600,
        "help": "a process that does not answer for so long is lost (default 600)",
    },
    "--device": {"help": "cpu or cuda (default a GPU for each process if there are any)"},
}


def run(options: argparse.Namespace) -> None:
    """Do what the command line says, as one of the processes that torchrun started."""
    try:
        with started(options.device, options.timeout) as (processes, device):
            fit(options, processes, device)
    except ValueError as error:  # the same on every process: the first one says it
        raise error if os.environ.get("RANK", "0") == "0" else SystemExit(1) from error


def fit(options: argparse.Namespace, processes: Processes, device: torch.device) -> None:
    """Read, fit, write."""
    processes.agreed(lambda: stream(options, processes))
    given = processes.agreed(lambda: read(options, processes))
    processes.agreed(lambda: claim(options, given["recipe"], processes))
    if not processes.first(kept.is_done(options.out)):
        found = fit_together(
            **given,
            seed=options.seed,
            processes=processes,
            device=device,
            keeper=Checkpoints(
                options.out / kept.CHECKPOINT,
                processes,
                options.checkpoint_steps,
                options.checkpoint_seconds,
            ),
        )
        if found is not None:
            kept.write(options.out, found)
    if processes.rank == 0:
        print(kept.summary(options.out))


def read(options: argparse.Namespace, processes: Processes) -> dict[str, Any]:
    """What the command line names, by what `fit_together` calls it.

    Raises:
        FileNotFoundError, ValueError: something is missing or does not fit; nothing was written.
    """
    command.needed(options, NEEDED)
    checks.whole_number("checkpoint_steps", options.checkpoint_steps, at_least=1)
    checks.number("checkpoint_seconds", options.checkpoint_seconds)
    pairs = pairs_of(options, "pairs", options.users)
    given = {
        "responses": inputs.responses(options.responses),
        "preferences": pairs,
        "rank": options.rank,
        "recipe": recipe_of(options),
        "validation": options.validation and pairs_of(options, "validation", pairs.n_users),
    }
    check(**given, reference=None, seed=options.seed, processes=processes)
    return given


def stream(options: argparse.Namespace, processes: Processes) -> None:
    """Sort the pairs into --stream, on the first process, unless they are there.

    Raises:
        FileNotFoundError, ValueError: as `stored_pairs`.
    """
    command.needed(options, NEEDED)
    if options.stream is None or processes.rank > 0:
        return
    stored.store(options.pairs, options.stream / "pairs", options.users)
    if options.validation is not None:
        n_users = stored.opened(options.stream / "pairs").n_users
        stored.store(options.validation, options.stream / "validation", n_users)


def pairs_of(options: argparse.Namespace, name: str, n_users: int | None) -> Learnable:
    """The pairs, or the validation pairs: in memory, or in --stream."""
    if options.stream is not None:
        return stored.opened(options.stream / name)
    return inputs.preferences(getattr(options, name), n_users)


def recipe_of(options: argparse.Namespace) -> Recipe:
    """The recipe that was named, with what is said otherwise."""
    said = {name: getattr(options, name) for name in CHANGES}
    if said["ridge_basis"] is not None:
        said["ridge_basis"] = tuple(said["ridge_basis"])
    changes = {name: value for name, value in said.items() if value is not None}
    return replace(RECIPES[options.recipe], **changes)


def claim(options: argparse.Namespace, recipe: Recipe, processes: Processes) -> None:
    """See that the folder belongs to this command, on the first process; a new one then does.

    Raises:
        ValueError: it belongs to something else.
    """
    if processes.rank > 0:
        return
    files = {name: getattr(options, name) for name in ("responses", "pairs", "validation")}
    memory = options.out / ".sums"
    made_from = {
        **{name: path and kept.sums(path, memory) for name, path in files.items()},
        "rank": options.rank,
        "users": options.users,
        "seed": options.seed,
        "recipe": asdict(recipe),
        "processes": processes.count,
    }
    manifests.claim(options.out, made_from, "--out")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    return command.parser("python -m lore_core.train", DESCRIPTION, EPILOG, OPTIONS)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `run`; an error is one line, without a traceback."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what torchrun sends to survivors
    command.main("train", run, parser(), arguments)


if __name__ == "__main__":
    main()
