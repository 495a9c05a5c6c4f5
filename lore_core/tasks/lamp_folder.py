"""The folder in which personal answers are made: how, which, and their scores.

    settings.json  users.json        how everything there is made; the users' ids, a user is a row
    predictions.json  scores.json    answers in LaMP's shape, and LaMP's scores of them

Every file is written whole. What is there is not made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lore_core.tasks.lamp_files import read_outputs, write_predictions
from lore_core.tasks.lamp_plan import LampPlan
from lore_core.tasks.lamp_prompts import prompt
from lore_core.tasks.lamp_scores import scores
from lore_core.tasks.lamp_texts import Say, counter, tell_cut
from lore_core.tools.files import whole

ANSWER = 64  # tokens of an answer, at most


def claim(out: Path, settings: dict[str, Any], names: Sequence[str]) -> None:
    """Write how everything in a folder is made, unless it is written there.

    Raises:
        ValueError: it was made in another way, or the file is damaged.
    """
    path, settings = out / "settings.json", json.loads(json.dumps(settings))
    if not path.is_file():
        write_json(out / "users.json", list(names))
        write_json(path, settings)
        return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); give another folder") from error
    apart = [name for name in settings if before.get(name) != settings[name]]
    if apart:
        raise ValueError(
            f"{out} was made in another way; what differs: {', '.join(apart)} (see {path.name} "
            "there). Give another folder, or the same settings"
        )


def write_json(path: Path, content: Any) -> None:
    """Write a small file, whole or not at all."""
    with whole(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def answered(
    plan: LampPlan, tokenizer: Any, speak: Callable[[list[str]], list[str]], say: Say
) -> dict[str, str]:
    """The answer to every question, by its id; asked without the user's profile.

    Args:
        plan: whose questions.
        tokenizer: the model's.
        speak: prompts, in the order of the questions -> their answers.
        say: is told what happens.
    """
    path, asked = plan.folder / "predictions.json", plan.users.questions
    if not path.is_file():
        count = counter(tokenizer)
        prompts = [prompt(plan.task, one, count, plan.tokens, items=0) for one in asked]
        tell_cut("questions", [one.input for one in asked], prompts, count, say)
        texts = speak(prompts)
        found = {one.id: text.strip() for one, text in zip(asked, texts, strict=True)}
        write_predictions(path, plan.task, found)
        say(f"{len(found)} answers in {path}")
    return read_outputs(path, plan.task)


def scored(plan: LampPlan, given: dict[str, str], say: Say) -> dict[str, float]:
    """LaMP's scores, written beside the answers; none if a wanted output is kept back."""
    wanted = {one.id: one.gold for one in plan.users.questions if one.gold is not None}
    if len(wanted) < len(given):
        say("no scores: the wanted outputs are not there")
        return {}
    found = scores(plan.task, given, wanted)
    write_json(plan.folder / "scores.json", found)
    say(", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    return found
