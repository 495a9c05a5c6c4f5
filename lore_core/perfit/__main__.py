"""PerFit on a language model and the files of per-user tuning, from the command line.

python -m lore_core.perfit --model build/model --data FOLDER --task news_headline --out build/perfit
"""

import argparse
from collections.abc import Sequence
from typing import Any

from lore_core.perfit import road
from lore_core.perfit.plan import PUBLISHED, SCALED, Plan, paced
from lore_core.perfit.presets import PRESETS, layers_of
from lore_core.perfit.recipe import PAPER
from lore_core.tasks.lamp_plan import OPTIONS as SAME
from lore_core.tasks.lamp_plan import said
from lore_core.tools import command

DESCRIPTION = (
    "Learn to move a language model's hidden states: one intervention for all users, then a small "
    "one for each. Then answer their questions. What is not said is as the task's preset has it."
)
EPILOG = """
Stop it when you like: the same command goes on with the user where it was. In --out are then
  stage1            everybody's intervention; where it is there already, it is used
  stage2            one file for each user; users.json says who is who
  predictions.json  the answers, and scores.json
"""
NEEDED = ("model", "data", "task", "out")
OPTIONS: dict[str, dict[str, Any]] = {
    "--model": {"help": "a folder, or a name on the Hugging Face Hub; made for chat"},
    "--data": {
        "metavar": "FOLDER",
        "help": "with user_others.json, user_top_100_history.json and "
        "user_top_100_history_label.json",
    },
    "--task": {"choices": PRESETS, "help": "whose files, and whose preset"},
    "--out": {"metavar": "FOLDER", "help": "for all that is made"},
    "--preset": {
        "choices": (SCALED, PUBLISHED),
        "default": SCALED,
        "help": "scaled (default): the published one at the model's own depth and width; "
        "published: as it is, for 32 blocks of width 4096",
    },
    "--low_rank_dimension": {"metavar": "R", "type": int, "help": "rank of stage 1"},
    "--user_low_rank_dimension": {"metavar": "R", "type": int, "help": "rank of stage 2"},
    "--intervene_layer": {"metavar": "A;B", "help": 'blocks, from 0, such as "14;15"'},
    "--positions": {
        "metavar": "fN+lM",
        "help": "the prompt's first N tokens and its last M, such as f7+l7, l7 or f3",
    },
    "--max_epoch": {"metavar": "N", "type": int, "help": "passes of each stage over the items"},
    "--batch_size": {
        "metavar": "N",
        "type": int,
        "default": PAPER.shared.batch if PAPER.shared else None,
        "help": "items of a step (default %(default)s)",
    },
    "--learning_rate": {
        "metavar": "RATE",
        "type": float,
        "default": PAPER.shared.learning_rate if PAPER.shared else None,
        "help": "of both stages (default %(default)s)",
    },
}
CHANGES = {
    "low_rank_dimension": "shared_rank",
    "user_low_rank_dimension": "user_rank",
    "intervene_layer": "layers",
    "positions": "positions",
    "max_epoch": "epochs",
}


def run(options: argparse.Namespace) -> None:
    """Do what the command line says."""
    command.needed(options, NEEDED)
    road.run(
        Plan(
            model=options.model,
            lamp=options.data,
            task=options.task,
            out=options.out,
            preset=options.preset,
            changes=changes(options),
            base=paced(PAPER, batch=options.batch_size, learning_rate=options.learning_rate),
            **said(options),
        )
    )


def changes(options: argparse.Namespace) -> dict[str, Any]:
    """What is said otherwise than in the preset, by the names of its fields."""
    found = {field: getattr(options, flag) for flag, field in CHANGES.items()}
    if found["layers"] is not None:
        found["layers"] = layers_of(found["layers"])
    return {field: value for field, value in found.items() if value is not None}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    return command.parser("python -m lore_core.perfit", DESCRIPTION, EPILOG, {**OPTIONS, **SAME})


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `run`; an error is one line, without a traceback."""
    command.main("perfit", run, parser(), arguments)


if __name__ == "__main__":
    main()
