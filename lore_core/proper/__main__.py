"""PROPER on a language model and LaMP's files, from the command line.

python -m lore_core.proper --model build/model --lamp lamp --task LaMP_3 --out build/proper
"""

import argparse
from collections.abc import Sequence
from typing import Any

from lore_core.evaluation import gate
from lore_core.proper import road
from lore_core.proper.plan import RECIPES, Plan
from lore_core.tasks.lamp import PARTS
from lore_core.tasks.lamp_plan import OPTIONS as SAME
from lore_core.tasks.lamp_plan import said
from lore_core.tools import command

DESCRIPTION = (
    "Tune a language model for LaMP's users in three stages: one adapter for all, adapters of "
    "groups, one adapter for each user. Then answer their questions."
)
EPILOG = """
Stop it when you like: the same command goes on with the stage where it was. In --out are then
  stage1            the model with everybody's adapter merged
  stage2            experts and routers
  stage3/users      one file for each user; users.json says who is who
  stage3/peft       the same as LoRA, to be put on stage1 by peft
  predictions.json  the answers, and scores.json if the wanted outputs are known
"""
NEEDED = ("model", "lamp", "task", "out")
OPTIONS: dict[str, dict[str, Any]] = {
    "--model": {"help": "a folder, or a name on the Hugging Face Hub; made for chat"},
    "--lamp": {
        "metavar": "FOLDER",
        "help": "with LaMP's files, such as dev_questions.json; or user_others.json and its two "
        "neighbours",
    },
    "--task": {"help": "LaMP_1 to LaMP_7, or LaMP_2N"},
    "--out": {"metavar": "FOLDER", "help": "for all that is made"},
    "--recipe": {
        "choices": RECIPES,
        "default": "ours",
        "help": "ours (default): routes by posterior; paper: as in the published code",
    },
    "--part": {"choices": PARTS, "default": "dev", "help": "of LaMP's files (default dev)"},
    "--headroom": {
        "action": "store_true",
        "help": "instead of all this: what ridge regressions find in the two worlds of lesson 9, "
        "before anything is trained (half a minute)",
    },
}


def run(options: argparse.Namespace) -> None:
    """Do what the command line says."""
    if options.headroom:
        print(gate.page())
        return
    command.needed(options, NEEDED)
    road.run(
        Plan(
            model=options.model,
            lamp=options.lamp,
            task=options.task,
            out=options.out,
            recipe=RECIPES[options.recipe],
            part=options.part,
            **said(options),
        )
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    return command.parser("python -m lore_core.proper", DESCRIPTION, EPILOG, {**OPTIONS, **SAME})


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `run`; an error is one line, without a traceback."""
    command.main("proper", run, parser(), arguments)


if __name__ == "__main__":
    main()
