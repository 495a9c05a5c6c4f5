"""The three stages on a whole language model and the questions of LaMP, from files to files.

    out/
      settings.json  users.json        how it was made; the users' ids, a user is a row of these
      stage1/                          the model with everybody's adapter merged, as any other model
      stage2/  stage3/  stage3_2/      adapted.safetensors: experts and routers
      stage3/users/  stage3/peft/      each user's adapter: with the router's row, and as LoRA
      predictions.json  scores.json    answers in LaMP's shape, and LaMP's scores of them

Every folder and file is written whole. What is there is not made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lore_core.language_model import causal, greedy
from lore_core.proper import kept
from lore_core.proper.crowd import tuned_for_all
from lore_core.proper.fit import complete, draws_of
from lore_core.proper.plan import Plan
from lore_core.proper.recipe import Recipe
from lore_core.proper.tuned import Tuned
from lore_core.tasks import lamp_folder
from lore_core.tasks.lamp_folder import ANSWER, claim, scored
from lore_core.tasks.lamp_texts import Say, course, texts_of
from lore_core.tasks.texts import Texts
from lore_core.tools import extra


def run(plan: Plan, say: Say = print) -> dict[str, float]:
    """Train what is not there yet, answer the questions, and score the answers.

    Args:
        plan: what is to be done.
        say: is told what happens, line by line.

    Returns:
        LaMP's scores; none where the wanted outputs are kept back.

    Raises:
        ImportError: a package of the extra `hub` is missing.
        OSError: the model, or the questions, cannot be had.
        ValueError: something was made in `out` in another way, or a file is damaged.
        FloatingPointError: a loss is NaN or infinite; what was done before stays.
    """
    for name in ("transformers", "peft"):
        extra.needed(name, "tuning a language model")
    claim(plan.folder, plan.settings, plan.users.names)
    say(f"{len(plan.users.names)} users, {len(plan.users.questions)} questions")
    model, tokenizer = everybody(plan, say)
    tuned = persons(plan, model, tokenizer, say)
    return scored(plan, answered(plan, tuned, tokenizer, say), say)


def everybody(plan: Plan, say: Say) -> tuple[Any, Any]:
    """The model after stage 1, as it is read from the disk, and its tokenizer."""
    base, place, stage = plan.checkpoint.folder, plan.folder / "stage1", plan.recipe.population
    if stage is not None and not place.is_dir():
        model, tokenizer = causal.load(base, plan.kind, plan.device)
        texts = texts_of(plan, model, tokenizer, (*plan.users.others, *plan.users.questions), say)
        model, curve = tuned_for_all(model, texts, stage, draws_of(plan.seed, 0))
        kept.write_model(place, model, tokenizer, curve)
        told(say, "population", curve)
        del model
    here = base if stage is None else place
    return causal.load(here, plan.kind, plan.device)


def persons(plan: Plan, model: Any, tokenizer: Any, say: Say) -> Tuned:
    """Stages 2 and 3, each trained unless it is there already."""
    texts = texts_of(plan, model, tokenizer, plan.users.questions, say)
    recipe, n_users = per_token(plan.recipe, texts), len(plan.users.names)
    tuned = kept.latest(plan.folder, model, recipe, n_users)
    for name in recipe.stages:
        place = plan.folder / kept.FOLDERS[name]
        if name == "population" or place.is_dir():
            continue
        complete(tuned, texts, recipe.up_to(name), plan.seed)
        kept.write_stage(place, tuned, name)
        told(say, name, tuned.curves[name])
    return tuned


def per_token(recipe: Recipe, texts: Texts) -> Recipe:
    """The recipe with rates of SGD for these texts.

    A text's loss sums over its answer, and so does what SGD steps by: the recipe's rate is for
    answers of one token, and would throw a model off that learns whole titles. Adam does not care.
    """
    tokens = max(1.0, texts.answer_tokens)
    found = {
        name: replace(stage, learning_rate=stage.learning_rate / tokens)
        for name, stage in ((name, getattr(recipe, name)) for name in recipe.stages)
        if stage.optimizer == "sgd"
    }
    return replace(recipe, **found)


def answered(plan: Plan, tuned: Tuned, tokenizer: Any, say: Say) -> dict[str, str]:
    """The answer to every question, by its id, each as its user's."""
    who, asked = tuned.injected.who, plan.users.asked

    def ahead(places: list[int]) -> None:
        who.user, who.counted = asked[places], None

    def speak(prompts: list[str]) -> list[str]:
        return greedy.answers(tuned.net, tokenizer, prompts, ANSWER, ahead=ahead)

    return lamp_folder.answered(plan, tokenizer, speak, say)


def told(say: Say, name: str, curve: Sequence[float]) -> None:
    """Say how a stage went."""
    say(f"{kept.FOLDERS[name]}, {name}{course(curve)}")
