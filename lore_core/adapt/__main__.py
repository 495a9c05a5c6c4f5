"""The weights of many new users, from the command line.

python -m lore_core.adapt --reward FILE --responses FILE --pairs FOLDER --out FOLDER
"""

import argparse
from collections.abc import Sequence
from typing import Any

from lore_core.tools import command

DESCRIPTION = (
    "Fit the weights of new users to a reward whose basis stays as it is. Pairs are Parquet files "
    "with the columns user, chosen and rejected (rows of the responses), sorted by user, no user "
    "in two files. Weights are Parquet files with the columns user, w_1, ..., w_K."
)
EPILOG = """
Stop it when you like: the same command goes on with the files that are missing. In --out are then
  weights        one file for each file of pairs, with the same name
  manifest.json  which reward, responses, recipe and pairs they belong to
  scores.npy     every response scored by every basis reward
"""
NEEDED = ("reward", "responses", "pairs", "out")
OPTIONS: dict[str, dict[str, Any]] = {
    "--reward": {
        "metavar": "FILE",
        "help": "what LowRankReward.save wrote, or the model.safetensors of `lore fit`",
    },
    "--responses": {
        "metavar": "FILE",
        "help": "what datasets.saved.write wrote, a data set's name, or embeddings as .npy",
    },
    "--pairs": {"metavar": "FOLDER", "help": "with *.parquet"},
    "--out": {"metavar": "FOLDER", "help": "for all that is made"},
    "--workers": {"metavar": "N", "type": int, "default": 1, "help": "processes (default 1)"},
    "--cluster": {
        "metavar": "ADDRESS",
        "help": "of a Dask scheduler, tcp://HOST:PORT, instead of processes of this machine",
    },
    "--temperature": {"type": float, "help": "of the recipe that fitted the reward (default 1)"},
    "--prior": {"type": float, "help": "pull to the centre, above 0 (default 2)"},
    "--centre": {
        "metavar": "WHICH",
        "help": "posterior or crowd (default posterior, which reads every seen user for each pair)",
    },
    "--device": {"help": "where to compute, such as cpu or cuda:1 (default a GPU if there is one)"},
    "--quiet": {"action": "store_true", "help": "show no progress"},
}
RECIPE = ("temperature", "prior", "centre")


def run(options: argparse.Namespace) -> None:
    """Do what the command line says."""
    command.needed(options, NEEDED)
    from lore_core.adapt import inputs, users  # these bring torch and Arrow: not for --help

    reward, recipe = inputs.reward(options.reward)
    done = users.adapt_users(
        reward,
        inputs.responses(options.responses),
        options.pairs,
        options.out,
        inputs.changed(recipe, {name: getattr(options, name) for name in RECIPE}),
        workers=options.workers,
        cluster=options.cluster,
        device=options.device,
        progress=not options.quiet,
    )
    speed = f", {done.fresh / done.seconds:,.0f} per second" if done.fresh else ""
    print(f"{done.users:,} users in {done.partitions} files, {done.fresh:,} of them new{speed}")
    print(f"{done.weights}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    return command.parser("python -m lore_core.adapt", DESCRIPTION, EPILOG, OPTIONS)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `run`; an error is one line, without a traceback."""
    command.main("adapt", run, parser(), arguments)


if __name__ == "__main__":
    main()
