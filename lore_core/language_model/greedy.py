"""Answers without chance: at each step the likeliest token.

Shapes: n prompts, v entries of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lore_core.language_model.batches import portions
from lore_core.language_model.causal import heads
from lore_core.language_model.messages import Prompt
from lore_core.language_model.sampling import (
    LENGTH,
    ROWS,
    Speaker,
    check_room,
    end_tokens,
    sample,
    speak,
)
from lore_core.tools import checks


class Greedy(Speaker):
    """A decoder that gives all probability to the token that it finds likeliest."""

    def next(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Log-probabilities of the next token, (n, v): 0 for one, -inf for all others."""
        found = super().next(ids, mask)
        sure = torch.full_like(found, -torch.inf)
        return sure.scatter_(1, found.argmax(1, keepdim=True), 0.0)


def answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    n_tokens: int = LENGTH,
    rows: int = ROWS,
    ahead: Callable[[list[int]], object] | None = None,
) -> list[str]:
    """The greedy answer to each prompt.

    Args:
        model: a decoder with its head.
        tokenizer: the model's, with a chat template.
        prompts: n questions, or chats so far.
        n_tokens: tokens of an answer, at most.
        rows: prompts that are answered at a time.
        ahead: is told the places of the prompts that come next, so that a model that speaks
            otherwise to others knows to whom.

    Raises:
        ValueError: a number is below 1, there is no prompt, or a prompt leaves no room for the
            answer in the model's window.
    """
    checks.whole_numbers(1, n_tokens=n_tokens, rows=rows)
    said = heads(tokenizer, prompts)
    check_room(model, said, n_tokens)
    ends, found = end_tokens(model, tokenizer), [""] * len(said)
    for places in portions([len(head) for head in said], rows):
        if ahead is not None:
            ahead(places)
        chance = torch.zeros(len(places), n_tokens)  # whatever it is, one token is certain
        tokens = speak(Greedy(model), [said[place] for place in places], chance, ends)
        for place, each in zip(places, tokens, strict=True):
            found[place] = sample(tokenizer, each, ends).text
    return found
