"""Texts for the upper part of a language model; what enters it was read once.

Shapes: n texts, t tokens that are read of each, d features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lore_core.language_model.chat import Turn
from lore_core.language_model.whole import Entering, entering
from lore_core.tasks.texts import Texts
from lore_core.tools import checks


@dataclass(frozen=True)
class TextsAbove(Texts):
    """`Texts` that are learned by `whole.part(model, block)`, whose lower part stays as it is.

    The loss of a text is that of `Texts`; only the answer's tokens meet the head.

    Args:
        states: what enters the block, of every chat's tokens but the last, which is only wanted.
    """

    states: Entering = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.same_length("states", self.states, "chats", self.chats)

    @classmethod
    def read(
        cls,
        model: Any,
        chats: Sequence[Turn],
        user: Tensor,
        n_users: int,
        block: int,
        cache: Path | str,
        progress: bool = True,
        **more: Any,
    ) -> TextsAbove:
        """The texts of some chats, their states read now or taken from a folder.

        Args:
            model: a decoder with its head.
            chats, user, n_users: see `Texts`.
            block: the first one of the upper part, from 0.
            cache, progress: see `whole.entering`.
            more: further arguments of `Texts`.

        Raises:
            ValueError: see `Texts` and `whole.entering`.
        """
        texts = Texts(tuple(chats), user, n_users, **more)
        read = [chat.ids[: chat.stop - 1] for chat in texts.chats]
        states = entering(model, read, block, cache, progress)
        return cls(texts.chats, user, n_users, texts.budget, states=states)

    def losses(self, net: nn.Module, rows: Tensor) -> Tensor:
        """−log p(answer | prompt) of some texts, (len(rows),) on the CPU.

        Args:
            net: the upper part, a decoder with its head.
            rows: which texts.
        """
        upper: Any = net
        chats = [self.chats[row] for row in rows.tolist()]
        states = self.states.batch(rows.tolist()).to(upper.device, upper.dtype)
        found = upper.base_model(inputs_embeds=states, use_cache=False).last_hidden_state
        return answer_losses(upper.lm_head, found, chats)

    def select(self, rows: Tensor) -> TextsAbove:
        """Some of the texts: row numbers or a mask."""
        places = torch.arange(len(self))[rows].tolist()
        return replace(
            self,
            chats=tuple(self.chats[place] for place in places),
            user=self.user[places],
            states=Entering([self.states.places[place] for place in places]),
        )


def answer_losses(head: Any, states: Tensor, chats: Sequence[Turn]) -> Tensor:
    """−log p(answer | prompt) of some chats, (n,) on the CPU; no other token meets the head.

    Args:
        head: (..., d) -> logits.
        states: (n, t, d) behind the final norm.
        chats: n.
    """
    text = torch.cat([torch.full((chat.stop - chat.start,), i) for i, chat in enumerate(chats)])
    place = torch.cat([torch.arange(chat.start - 1, chat.stop - 1) for chat in chats])
    wanted = torch.tensor([id for chat in chats for id in chat.ids[chat.start : chat.stop]])
    logits = head(states[text, place]).float()
    losses = cross_entropy(logits, wanted.to(logits.device), reduction="none").cpu()
    return losses.new_zeros(len(chats)).index_add(0, text, losses)
