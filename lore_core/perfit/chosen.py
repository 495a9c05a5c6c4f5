"""Whose texts a network reads, and which of their tokens are moved.

Shapes: n texts, t tokens, k tokens that are moved, d features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lore_core.perfit.nudge import Nudge
from lore_core.perfit.positions import Positions


@dataclass(eq=False)
class Reading:
    """Whose texts a network is about to read.

    Args:
        user: (n,) whose each text is; is not asked for where there is no φ_u.
        prompt: (n, t) bool, which tokens are the prompt's. Default all that are no padding in a
            call without a past; where an answer is generated without a cache, it has to be given.
    """

    user: Tensor | None = None
    prompt: Tensor | None = None


class Chosen:
    """Which tokens of a running batch are moved; a hook that looks at what the network is given.

    Args:
        reading: what is known of the texts.
        positions: which tokens of the prompt are moved.
    """

    def __init__(self, reading: Reading, positions: Positions) -> None:
        self.reading, self.positions = reading, positions
        self.tokens = torch.zeros(0, 0, dtype=torch.bool)

    def __call__(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note which tokens of a call are to be moved."""
        texts = kwargs.get("input_ids", args[0] if args else None)
        texts = kwargs["inputs_embeds"] if texts is None else texts
        past = kwargs.get("past_key_values")
        start = 0 if past is None else int(past.get_seq_length())
        stop = start + texts.shape[1]
        prompt = self._prompt(texts, kwargs.get("attention_mask"), start)
        some = self.positions.of(prompt)[:, start:stop]
        self.tokens = pad(some, (0, texts.shape[1] - some.shape[1])).to(texts.device)

    def move(self, states: Tensor, nudge: Nudge) -> Tensor:
        """The states of a block, (n, t, d), with the chosen ones moved."""
        rows, places = self.tokens.to(states.device).nonzero(as_tuple=True)
        if len(rows) == 0:
            return states
        user = self.reading.user
        own = None if user is None else user.to(rows.device)[rows]
        moved = nudge(states[rows, places], own)
        return states.index_put((rows, places), moved.to(states.dtype))

    def _prompt(self, texts: Tensor, attention: Tensor | None, start: int) -> Tensor:
        """Which tokens, from the first ever read, are the prompt's."""
        n, t = texts.shape[:2]
        if self.reading.user is not None and len(self.reading.user) != n:
            raise ValueError(
                f"reading.user has {len(self.reading.user)} users, but the network reads {n} texts"
            )
        given = self.reading.prompt
        if given is None:
            whole = torch.ones(n, t) if attention is None else attention
            return whole.bool() if start == 0 else torch.zeros(n, start + t, dtype=torch.bool)
        if len(given) != n:
            raise ValueError(f"reading.prompt has {len(given)} rows, but the network reads {n}")
        return given
