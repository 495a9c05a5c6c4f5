"""What users wrote, or would have liked to read: texts that a language model learns from.

Shapes: n texts, t tokens that are read of each, N users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from lore_core.language_model.causal import BUDGET, log_likelihood, said, window
from lore_core.language_model.chat import Prompt, Turn
from lore_core.language_model.states import within
from lore_core.tools import checks


@dataclass(frozen=True)
class Texts:
    """Chats whose answers are each some user's.

    The loss of a text is the sum over its answer's tokens. So it is −log p, what a posterior over
    groups needs, and tokens that are certain, such as the one that ends a turn, change nothing.

    Args:
        chats: n, each with an answer that is to be learned.
        user: (n,) whose.
        n_users: N; a user may have none.
        budget: tokens that fit into memory at once, padding included; each makes a row of numbers
            as long as the vocabulary. A longer text is read alone.

    Raises:
        ValueError: lengths differ, a chat has no answer, or a user is out of range.
    """

    chats: tuple[Turn, ...]
    user: Tensor
    n_users: int
    budget: int = BUDGET

    def __post_init__(self) -> None:
        checks.set_field(self, "chats", tuple(self.chats))
        checks.set_field(self, "user", checks.index_vector("user", self.user))
        checks.same_length("user", self.user, "chats", self.chats)
        checks.whole_numbers(1, n_users=self.n_users, budget=self.budget)
        checks.below("user", self.user, self.n_users)
        for row, chat in enumerate(self.chats):
            if not 0 < chat.start < chat.stop <= len(chat.ids):
                raise ValueError(
                    f"chats[{row}] has its answer from token {chat.start} to {chat.stop} of "
                    f"{len(chat.ids)}; expected a prompt, and at least one token behind it"
                )

    @classmethod
    def of(
        cls,
        model: Any,
        tokenizer: Any,
        asked: Sequence[Prompt],
        answers: Sequence[str],
        user: Tensor,
        n_users: int,
        budget: int = BUDGET,
    ) -> Texts:
        """Texts under a model's chat template, their ends cut to its window.

        Args:
            model, tokenizer: a decoder with its head, as `causal.load` gives them.
            asked: n prompts.
            answers: n, what the user made of each.
            user, n_users, budget: see above.

        Raises:
            ValueError: a prompt fills the window, there is none, or see above.
        """
        chats = [within(turn, window(model)) for turn in said(tokenizer, asked, answers)]
        return cls(tuple(chats), user, n_users, budget)

    def __len__(self) -> int:
        return len(self.chats)

    @property
    def together(self) -> int:
        """How many fit into memory at once, if all were as long as the longest."""
        return max(1, self.budget // max((chat.stop for chat in self.chats), default=1))

    @property
    def answer_tokens(self) -> float:
        """Mean number of tokens that are learned of a text."""
        return sum(chat.stop - chat.start for chat in self.chats) / max(1, len(self))

    def losses(self, net: nn.Module, rows: Tensor) -> Tensor:
        """−log p(answer | prompt) of some texts, (len(rows),) on the CPU."""
        return -log_likelihood(net, [self.chats[row] for row in rows.tolist()]).cpu()

    def counted(self, rows: Tensor) -> Tensor:
        """Which tokens are read and no padding, (len(rows), t)."""
        # The last token is only wanted, never read.
        lengths = torch.tensor([self.chats[row].stop - 1 for row in rows.tolist()])
        return torch.arange(int(lengths.max())) < lengths[:, None]

    def prompted(self, rows: Tensor) -> Tensor:
        """Which of the tokens that are read are the prompt's, (len(rows), t)."""
        chats = [self.chats[row] for row in rows.tolist()]
        starts = torch.tensor([chat.start for chat in chats])
        return torch.arange(max(chat.stop for chat in chats) - 1) < starts[:, None]

    def residual(self, net: nn.Module, rows: Tensor) -> None:
        """A text's target is no number that something could be subtracted from."""

    def select(self, rows: Tensor) -> Texts:
        """Some of the texts: row numbers or a mask."""
        places = torch.arange(len(self))[rows]
        chats = tuple(self.chats[place] for place in places.tolist())
        return replace(self, chats=chats, user=self.user[places])
