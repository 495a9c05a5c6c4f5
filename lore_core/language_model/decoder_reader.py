"""Reads chats with a language model: the hidden states of one layer, pooled over tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lore_core.language_model.batches import Batch, batches
from lore_core.language_model.chat import Turn, turns
from lore_core.language_model.decoder import Decoder
from lore_core.language_model.messages import Chat
from lore_core.language_model.shards import BATCH
from lore_core.language_model.states import POOLINGS, states_of, within


@dataclass(frozen=True, eq=False)
class DecoderReader:
    """A language model that reads chats at one layer.

    Args:
        decoder: the model, whose blocks above the layer may be missing.
        layer: which one, see `Decoder.hidden`.
        pooling: over which tokens, one of POOLINGS.
        window: longest chat in tokens; a longer one is cut at its end.
        budget: tokens per forward pass, padding included.
    """

    decoder: Decoder
    layer: int
    pooling: str
    window: int
    budget: int = BATCH

    def read(self, chats: Sequence[Chat]) -> Iterator[Batch]:
        """The chats in batches of like length, the longest first.

        Raises:
            ValueError: a prompt fills the whole window; the message shows the chat's last words.
        """
        mine = self.turns(chats)
        for rows in batches([turn.stop for turn in mine], self.budget):
            read = [mine[row] for row in rows]
            states = states_of(read, self.decoder, [self.layer])[:, 0, POOLINGS.index(self.pooling)]
            yield Batch(rows, states, sum(turn.stop for turn in read))

    def turns(self, chats: Sequence[Chat]) -> list[Turn]:
        """The chats as tokens, cut to the window."""
        prompts, responses = zip(*chats, strict=True)
        found = []
        for turn, response in zip(
            turns(self.decoder.tokenizer, prompts, responses), responses, strict=True
        ):
            try:
                found.append(within(turn, self.window))
            except ValueError as error:
                raise ValueError(f"the chat that ends {response[-40:]!r}: {error}") from error
        return found
