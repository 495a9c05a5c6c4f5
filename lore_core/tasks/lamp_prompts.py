"""LaMP's questions as prompts: the user's profile in front, cut to what a model can read.

Source: the manner is LaMP's (arXiv 2304.11406): a few items of the profile, each with an equal
share of the tokens, its long field cut. LaMP lets retrieval say which; here they are the newest.
"""

from collections.abc import Callable, Sequence

from lore_core.tasks.lamp import Item, Question
from lore_core.tasks.lamp_tasks import LampTask, task_of
from lore_core.tools import checks

Count = Callable[[str], int]  # tokens of a text
SEPARATOR = "\n"


def prompt(task: str, question: Question, count: Count, budget: int = 512, items: int = 4) -> str:
    """The newest items of the profile, a line each, oldest first, and then the question.

    Args:
        task: such as "LaMP_3".
        question: whose profile is shown.
        count: the tokens of a text; such as `lambda text: len(tokenizer.tokenize(text))`.
        budget: tokens of the whole prompt. The question itself comes first: only if it is longer
            alone is it cut.
        items: of the profile, at most.

    Raises:
        ValueError: there is no such task, or a number is out of range.
    """
    kind = task_of(task)
    checks.whole_number("budget", budget, at_least=1)
    checks.whole_number("items", items, at_least=0)
    asked = cut(question.input, count, budget)
    lines: list[str] = []
    left = newest(question.profile, items)
    spare = budget - count(asked)
    while left:  # the newest first: what it does not use goes to the older ones
        share = spare // len(left) - count(SEPARATOR)
        line = shown(kind, left.pop(), count, share)
        if line:
            lines.insert(0, line)
            spare -= count(line) + count(SEPARATOR)
    return SEPARATOR.join([*lines, asked])


def pairs(task: str, question: Question, count: Count, budget: int = 512) -> list[tuple[str, str]]:
    """What a user's own items teach: an input and the wanted output of each, without the profile.

    Items are asked as the question is, in its words up to the text. Those of LaMP-1 hold no pair of
    references and those of LaMP-7 no plain message: as in LaMP's own tuning of users they are asked
    something else, the abstract of a title and the second half of a message.

    Args:
        task: such as "LaMP_3".
        question: whose user it is.
        count, budget: as in `prompt`.
    """
    kind = task_of(task)
    found = [pair(kind, question, item) for item in question.profile]
    return [(cut(asked, count, budget), wanted) for asked, wanted in found if wanted]


def pair(kind: LampTask, question: Question, item: Item) -> tuple[str, str]:
    """An item as something asked and answered."""
    if kind.answer and kind.reposed:
        return kind.ask + item[kind.answer], item[kind.text]
    if kind.reposed:
        words = item[kind.text].split()
        half = (len(words) + 1) // 2
        return kind.ask + " ".join(words[:half]), " ".join(words[half:])
    before, mark, _ = question.input.partition(kind.mark)
    return (before + mark if mark else kind.ask) + item[kind.text], item[kind.answer]


def newest(profile: Sequence[Item], items: int) -> list[Item]:
    """The last items by date, oldest first; without dates, by their order."""
    dated = all("date" in item for item in profile)
    ordered = sorted(profile, key=lambda item: item["date"]) if dated else list(profile)
    return ordered[len(ordered) - min(items, len(ordered)) :]


def shown(kind: LampTask, item: Item, count: Count, budget: int) -> str:
    """An item as a line, its long field cut; empty if there is no room for any of it."""
    text, frame = item[kind.text].split(), dict(item)

    def line(n: int) -> str:
        return kind.shown.format(**frame | {kind.text: " ".join(text[:n])})

    n = most(lambda n: count(line(n)) <= budget, len(text))
    return line(n) if n else ""


def cut(text: str, count: Count, budget: int) -> str:
    """The first words of a text, at most so many tokens; all of it, as it is, if it fits."""
    if count(text) <= budget:
        return text
    words = text.split()
    return " ".join(words[: most(lambda n: count(" ".join(words[:n])) <= budget, len(words))])


def most(fits: Callable[[int], bool], n: int) -> int:
    """The largest number up to n that fits, by bisection; 0 if none does."""
    low = 0
    while low < n:
        middle = (low + n + 1) // 2
        low, n = (middle, n) if fits(middle) else (low, middle - 1)
    return low
