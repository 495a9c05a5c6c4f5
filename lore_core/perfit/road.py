"""The two stages on a whole language model and PerFit's files, from files to files.

    out/
      settings.json  users.json        how it was made; the users' ids, a user is a row of these
      stage1/shared.safetensors        φ_c, the recipe, and where φ_u of every user starts
      stage2/user_0.safetensors …      φ_u, one file for each user
      stage1/  stage2/  losses.json    mean loss of each pass; in stage 2 by user
      predictions.json  scores.json    answers in LaMP's shape, and LaMP's scores of them

Stage 1 learns from the profiles of `user_others.json`, stage 2 from those of
`user_top_100_history.json`, item by item; no profile stands in a prompt. Every file is written
whole, and what is there is not made again.

Source: PerFit (ICLR 2026, OpenReview Lwn67fk9e1).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lore_core.language_model import causal, greedy
from lore_core.perfit import kept, kept_users
from lore_core.perfit.fit import adapt, draws_of, fit
from lore_core.perfit.plan import Plan
from lore_core.perfit.shifted import Shifted
from lore_core.perfit.stages import starts_of
from lore_core.tasks import lamp_folder
from lore_core.tasks.lamp_folder import ANSWER, claim, scored, write_json
from lore_core.tasks.lamp_texts import Say, course, texts_of
from lore_core.tasks.texts import Texts
from lore_core.tools import extra, folders

SHARED = "shared.safetensors"
LOSSES = "losses.json"


def run(plan: Plan, say: Say = print) -> dict[str, float]:
    """Train what is not there yet, answer the questions, and score the answers.

    Args:
        plan: what is to be done.
        say: is told what happens, line by line.

    Returns:
        LaMP's scores.

    Raises:
        ImportError: a package of the extra `hub` is missing.
        OSError: the model, or one of the three files, cannot be had.
        ValueError: something was made in `out` in another way, or a file is damaged.
        FloatingPointError: a loss is NaN or infinite; what was done before stays.
    """
    extra.needed("transformers", "tuning a language model")
    claim(plan.folder, plan.settings, plan.users.names)
    say(f"{len(plan.users.names)} users, {len(plan.users.questions)} questions")
    say(plan.in_words)
    model, tokenizer = causal.load(plan.checkpoint.folder, plan.kind, plan.device)
    shifted = everybody(plan, model, tokenizer, say)
    persons(plan, shifted, tokenizer, say)
    return scored(plan, answered(plan, shifted, tokenizer, say), say)


def everybody(plan: Plan, model: Any, tokenizer: Any, say: Say) -> Shifted:
    """The model with φ_c, as it is read from the disk."""
    place = plan.folder / "stage1"
    if not place.is_dir():
        texts = texts_of(plan, model, tokenizer, plan.users.others, say)
        found = fit(model, texts, plan.recipe.up_to("shared"), plan.seed)
        found.recipe, source = plan.recipe, draws_of(plan.seed, 1)
        rank = plan.chosen.user_rank
        found.starts = starts_of(found, texts, rank, plan.recipe.user_start, source)
        with folders.whole(place) as unfinished:
            kept.save(found, unfinished / SHARED)
            write_json(unfinished / LOSSES, found.curves["shared"])
        say(f"stage1, everybody{course(found.curves['shared'])}")
    return kept.load(model, place / SHARED)


def persons(plan: Plan, shifted: Shifted, tokenizer: Any, say: Say) -> None:
    """φ_u of each user, trained unless it is there already; one after the other."""
    folder, names = plan.folder / "stage2", plan.users.names
    paths = [folder / f"user_{user}.safetensors" for user in range(len(names))]
    todo = [user for user, path in enumerate(paths) if not path.is_file()]
    if todo:
        texts = texts_of(plan, shifted.net, tokenizer, plan.users.questions, say)
        stands_on = kept_users.footing(shifted)
    for user in todo:
        own = alone(texts, user)
        one = adapt(shifted, own, plan.seed)
        note(folder / LOSSES, names[user], one.curves["personal"])
        kept_users.save_user(one, 0, paths[user], stands_on)
        items = f"{len(own)} items" + course(one.curves["personal"] if len(own) else [])
        say(f"stage2, user {user + 1} of {len(names)}, {names[user]}: {items}")
    kept_users.load_users(shifted, paths)


def alone(texts: Texts, user: int) -> Texts:
    """The texts of one user, who is then the only one."""
    own = texts.select(texts.user == user)
    return replace(own, user=torch.zeros_like(own.user), n_users=1)


def note(path: Path, name: str, curve: list[float]) -> None:
    """Add a user's losses to a file."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_json(path, before | {name: curve})


def answered(plan: Plan, shifted: Shifted, tokenizer: Any, say: Say) -> dict[str, str]:
    """The answer to every question, by its id, each as its user's."""
    asked = plan.users.asked
    with shifted.attached() as reading:

        def ahead(places: list[int]) -> None:
            reading.user = asked[places]

        def speak(prompts: list[str]) -> list[str]:
            return greedy.answers(shifted.net, tokenizer, prompts, ANSWER, ahead=ahead)

        return lamp_folder.answered(plan, tokenizer, speak, say)
