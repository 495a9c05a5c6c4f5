"""The style task on a whole language model: who wants which answer, and how a model meets that.

Adapters lie in the upper blocks alone, so what enters these is read once.

Shapes: n items of the task, k of them that are asked, M responses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lore_core.language_model import causal, greedy, whole
from lore_core.language_model.messages import readable
from lore_core.language_model.rating import beginnings
from lore_core.proper.fit import MLP
from lore_core.proper.inject import inject
from lore_core.proper.linear import ProperLinear
from lore_core.proper.recipe import Recipe
from lore_core.proper.tuned import Tuned
from lore_core.tasks.task import Task
from lore_core.tasks.texts_above import TextsAbove
from lore_core.tools import checks

BUDGET = 4096  # tokens in memory at once; only the answers' meet the head


@dataclass(frozen=True, eq=False)
class Study:
    """Items of the style task as a model reads them.

    Args:
        task: whose targets are texts.
        model: a decoder with its head; what is trained changes it.
        tokenizer: the model's.
        asked: n instructions, as far as they are kept.
        wanted: n answers, as far as they are kept.
        ended: n; False for an answer of which only the beginning is kept.
        items: both, for the model's blocks from `block` on.
        block: the first one that is adapted, from 0.
    """

    task: Task
    model: Any
    tokenizer: Any
    asked: list[str]
    wanted: list[str]
    ended: list[bool]
    items: TextsAbove
    block: int

    @property
    def history(self) -> TextsAbove:
        """What the users' histories hold."""
        return self.items.select(self.task.history)

    def upper(self, population: dict[str, Tensor] | None = None) -> Any:
        """The blocks that can be adapted, as a decoder of their own; the model shares its weights.

        Args:
            population: weights after stage 1, as `merged` gives them.
        """
        upper = whole.part(self.model, self.block).eval()
        upper.load_state_dict(population or {}, strict=False)
        return upper

    def untuned(self, population: dict[str, Tensor] | None = None) -> Tuned:
        """The model's upper part with adapted layers that have no part yet; call it once.

        The model itself holds these layers too.

        Args:
            population: as in `upper`.
        """
        upper = self.upper(population)
        injected = inject(upper, MLP, lambda _, linear: ProperLinear(linear))
        before = Recipe().up_to("population" if population else None)
        return Tuned(upper, injected, before, self.task.n_users)

    def bits_per_byte(self, tuned: Tuned, rows: Tensor, user: Tensor) -> Tensor:
        """How surprising the wanted answers are, (k,) float64; NaN for an empty one.

        Args:
            tuned: from `untuned`.
            rows: (k,) which items.
            user: (k,) as whose they are read.
        """
        return self.per_byte(tuned.all_losses(replace(self.items.select(rows), user=user)), rows)

    def per_byte(self, losses: Tensor, rows: Tensor) -> Tensor:
        """Losses of some items' answers, (k,) in nats, as bits per byte, (k,) float64."""
        sizes = torch.tensor([float(len(self.wanted[row].encode())) for row in rows.tolist()])
        return losses.double() / math.log(2) / sizes.where(sizes > 0, math.nan)

    def answers(self, tuned: Tuned, rows: Tensor, user: Tensor, n_tokens: int) -> list[str]:
        """The greedy answers of the whole model to the instructions of k items, each to its user.

        Args:
            tuned, rows, user: as in `bits_per_byte`.
            n_tokens: of an answer, at most.
        """
        who = tuned.injected.who

        def ahead(places: list[int]) -> None:
            who.user, who.counted = user[places], None

        asked = [self.asked[row] for row in rows.tolist()]
        return greedy.answers(self.model, self.tokenizer, asked, n_tokens, ahead=ahead)


def study(
    task: Task,
    model: Any,
    tokenizer: Any,
    instructions: Sequence[str],
    responses: Sequence[str],
    cache: Path | str,
    block: int,
    instruction: int = 48,
    answer: int = 48,
) -> Study:
    """The items of a style task, what enters the upper blocks read or taken from a folder.

    Args:
        task: as `tasks.style.make` gives it; its rows are those of the responses.
        model, tokenizer: a decoder with its head, as `causal.load` gives them.
        instructions: of all prompts.
        responses: M, equally many to each instruction, in its order.
        cache: folder for the states.
        block: the first one that is adapted, from 0.
        instruction, answer: tokens that are kept of each.

    Raises:
        ValueError: the texts are not those of the task, or there is no such block.
    """
    checks.instance_of("task", task, Task)
    checks.whole_numbers(1, instruction=instruction, answer=answer)
    task.check(len(responses))
    each = len(responses) // max(1, len(instructions))
    if each * len(instructions) != len(responses):
        raise ValueError(
            f"{len(responses)} responses to {len(instructions)} instructions, expected equally "
            "many to each"
        )
    rows = task.target.tolist()
    full = [readable(responses[row]) for row in rows]
    asked = beginnings(tokenizer, [instructions[row // each] for row in rows], instruction)
    wanted = beginnings(tokenizer, full, answer)
    ended = [kept == text for kept, text in zip(wanted, full, strict=True)]
    chats = causal.said(tokenizer, asked, wanted, ended)
    items = TextsAbove.read(model, chats, task.user, task.n_users, block, cache, budget=BUDGET)
    return Study(task, model, tokenizer, asked, wanted, ended, items, block)


def merged(tuned: Tuned) -> dict[str, Tensor]:
    """The weights of the adapted layers after stage 1, by name."""
    return {f"{name}.weight": layer.base.weight.detach() for name, layer in tuned.layers.items()}
