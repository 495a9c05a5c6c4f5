"""A profile and a query as the tokens of one prompt, within a budget.

    template · item · … · item · query · template, "Rating: "

An item is an instruction, the response and the user's rating; the query the same without a rating.
Both are cut evenly: what the chat template and the words around ratings leave of the budget is
divided by k + 1, and the query gets one share; the rest is divided by the number of items there
are. Of a share a third is the instruction's, its first tokens, and the rest is the response's; what
one of them does not need goes to the other. Pieces are tokenised one by one, so that a query has
the same tokens with a profile and without.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch

from lore_core.language_model.causal import check_prompts
from lore_core.language_model.chat import rendered
from lore_core.language_model.messages import readable
from lore_core.language_model.rating import ASKED
from lore_core.perfit.profiles import Rated
from lore_core.tools import checks, draws

CONTENT = "Instruction"  # any text, to find where the template puts it
INSTRUCTION = "Instruction: {}"
RESPONSE = "\n\nResponse: {}"
GIVEN = "\n\n" + ASKED + "{}"
BETWEEN = "\n\n"  # behind an item
LEAST = 12  # tokens of a share: below, it is words around texts and no text


class Writer:
    """Writes prompts about rated texts.

    Args:
        tokenizer: with a chat template.
        rated: the texts.
        k: items of a profile, at most.
        budget: tokens of a prompt, at most.

    Raises:
        ValueError: there is no chat template, or the budget leaves no room for texts.
    """

    def __init__(self, tokenizer: Any, rated: Rated, k: int, budget: int) -> None:
        checks.whole_numbers(1, k=k, budget=budget)
        check_prompts(tokenizer, [CONTENT])
        self.tokenizer, self.rated, self.k, self.budget = tokenizer, rated, k, budget
        chat = [{"role": "user", "content": CONTENT}]
        head, _, rest = rendered(tokenizer, chat, add_generation_prompt=True).partition(CONTENT)
        self.head, self.rest = self.tokens(head), self.tokens(rest + ASKED)
        self.share = (self._free - k * self._frame) // (k + 1)
        if self.share < LEAST:
            least = budget - self._free + k * self._frame + (k + 1) * LEAST
            raise ValueError(
                f"budget is {budget} tokens, too few for a query and {k} items under this chat "
                f"template; give at least {least}, or fewer items"
            )

    @property
    def _free(self) -> int:
        """Tokens that the template leaves."""
        return self.budget - len(self.head) - len(self.rest)

    @cached_property
    def _frame(self) -> int:
        """Tokens of a rating with the words around it, the longest."""
        return max(len(self.given(label)) for label in self.rated.task.labels)

    def query(self, item: int) -> list[int]:
        """An item to be rated, behind whatever profile."""
        return [*self.text(item, self.share), *self.rest]

    def profile(self, items: Sequence[int]) -> list[int]:
        """Items with their ratings."""
        room = (self._free - self.share) // max(1, len(items)) - self._frame
        return [token for item in items for token in self.shown(item, room)]

    def shown(self, item: int, room: int) -> list[int]:
        """An item with its rating."""
        task = self.rated.task
        return [*self.text(item, room), *self.given(task.labels[int(task.target[item])])]

    def given(self, label: str) -> list[int]:
        """A rating, with the words before it and the empty line behind."""
        return [*self.tokens(GIVEN.format(label)), *self.tokens(BETWEEN)]

    def text(self, item: int, room: int) -> list[int]:
        """An item's instruction and response in so many tokens, at most."""
        row = int(self.rated.task.response[item])
        asked = self.tokens(INSTRUCTION.format(self.rated.instructions[row]))
        said = self.tokens(RESPONSE.format(self.rated.responses[row]))
        first = max(room // 3, room - len(said))
        return [*asked[:first], *said[: room - min(first, len(asked))]]

    def tokens(self, text: str) -> list[int]:
        """A piece of text as tokens, nothing added."""
        return self.tokenizer(readable(text), add_special_tokens=False).input_ids

    def shuffled(self, profile: list[int], generator: torch.Generator) -> list[int]:
        """The same tokens in random order; the empty line before the query stays."""
        body, end = self.parted(profile)
        return [body[place] for place in draws.order(generator, len(body)).tolist()] + end

    def passage(self, profile: list[int], generator: torch.Generator) -> list[int]:
        """As many tokens of random text: responses drawn evenly from all, one behind the other."""
        body, end = self.parted(profile)
        found: list[int] = []
        while len(found) < len(body):
            row = int(draws.uniform(generator, 1) * len(self.rated.responses))
            found += self.tokens(self.rated.responses[row] + BETWEEN)
        return found[: len(body)] + end

    def parted(self, profile: list[int]) -> tuple[list[int], list[int]]:
        """A profile without the empty line at its end, and this line."""
        size = len(profile) - len(self.tokens(BETWEEN))
        return profile[:size], profile[size:]
