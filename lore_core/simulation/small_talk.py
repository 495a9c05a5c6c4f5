"""Small talk: questions with two short answers, put together at random. Written for this course."""

from __future__ import annotations

from typing import NamedTuple

import torch

from lore_core.tools import checks, draws

QUESTIONS = (
    "What shall I cook tonight?",
    "Where shall we go on Sunday?",
    "What can I give my sister?",
    "How do I calm down?",
    "What shall I read next?",
    "How can we save money?",
    "What is a good habit?",
    "How do I learn to sing?",
    "What shall we plant in spring?",
    "Where can I meet people?",
)
OPENINGS = (
    "Try",
    "Perhaps",
    "You could take",
    "I like",
    "Why not",
    "Think of",
    "Begin with",
    "Many people choose",
    "My advice is",
    "There is always",
    "Nothing beats",
    "Friends of mine love",
)
THINGS = (
    "an old recipe",
    "a walk by the river",
    "fresh bread",
    "a small garden",
    "the early train",
    "a choir",
    "soup and rice",
    "a quiet hour",
    "the public library",
    "a game of chess",
    "warm socks",
    "a long letter",
    "the night market",
    "apple trees",
    "a bicycle",
    "less coffee",
    "the hills",
    "a map and a friend",
    "some honest work",
    "cold water",
)
ENDINGS = (
    "",
    "today",
    "every week",
    "with a friend",
    "before breakfast",
    "if it rains",
    "and take your time",
    "at home",
    "for once",
    "without a plan",
)


class SmallTalk(NamedTuple):
    """A question and two answers.

    Args:
        question: what is asked.
        answers: two different ones.
    """

    question: str
    answers: tuple[str, str]


def small_talk(n: int, generator: torch.Generator) -> list[SmallTalk]:
    """n questions with two answers each; no answer is given twice.

    Args:
        n: how many; a question may return.
        generator: source of the draws.

    Raises:
        ValueError: n is below 1, or more than there are answers for.
    """
    most = len(OPENINGS) * len(THINGS) * len(ENDINGS) // 2
    if checks.whole_number("n", n, at_least=1) > most:
        raise ValueError(f"n is {n}, but there are two answers for {most} questions at most")
    asked = (draws.uniform(generator, n) * len(QUESTIONS)).long()
    numbers = draws.order(generator, 2 * most)[: 2 * n].view(n, 2)
    return [
        SmallTalk(QUESTIONS[question], (answer(first), answer(second)))
        for question, (first, second) in zip(asked.tolist(), numbers.tolist(), strict=True)
    ]


def answer(number: int) -> str:
    """One of all combinations of an opening, a thing and an ending."""
    rest, ending = divmod(number, len(ENDINGS))
    opening, thing = divmod(rest, len(THINGS))
    words = OPENINGS[opening], THINGS[thing], ENDINGS[ending]
    return " ".join(word for word in words if word) + "."
