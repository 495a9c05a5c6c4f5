"""What LaMP's users wrote, as texts that a language model learns from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from lore_core.tasks.lamp import Question
from lore_core.tasks.lamp_plan import LampPlan
from lore_core.tasks.lamp_prompts import Count, cut
from lore_core.tasks.lamp_users import written
from lore_core.tasks.texts import Texts

Say = Callable[[str], object]


def texts_of(
    plan: LampPlan, model: Any, tokenizer: Any, asked: Sequence[Question], say: Say
) -> Texts:
    """What the users of some questions wrote, as the model reads it.

    Args:
        plan: says the task, and how many tokens a prompt may have.
        model, tokenizer: a decoder with its head, as `causal.load` gives them.
        asked: questions; users are counted in the order of their first ones.
        say: is told how much was cut.

    Raises:
        ValueError: nobody has written anything, or a prompt fills the model's window.
    """
    count = counter(tokenizer)
    found = written(plan.task, asked, count, sys.maxsize)
    prompts = [cut(text, count, plan.tokens) for text in found.asked]
    tell_cut("items", found.asked, prompts, count, say)
    whose = (found.user, found.n_users, plan.budget)
    return Texts.of(model, tokenizer, prompts, found.answers, *whose)


def counter(tokenizer: Any) -> Count:
    """Counts the tokens of a text."""
    return lambda text: len(tokenizer.tokenize(text))


def tell_cut(what: str, whole: Sequence[str], kept: Sequence[str], count: Count, say: Say) -> None:
    """Say how many texts were cut, and by how much; nothing if none was."""
    short = [pair for pair in zip(whole, kept, strict=True) if pair[0] != pair[1]]
    if short:
        lost = sum(count(before) - count(after) for before, after in short)
        say(f"{len(short)} of {len(whole)} {what} are too long: {lost} tokens cut at their ends")


def course(curve: Sequence[float]) -> str:
    """How a training went, in words; empty if there was none."""
    if not curve:
        return ""
    if len(curve) == 1:
        return f": loss {curve[0]:.4f} in one pass"
    return f": loss {curve[0]:.4f} to {curve[-1]:.4f} over {len(curve)} passes"
