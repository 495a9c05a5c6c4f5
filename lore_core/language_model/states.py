"""What a language model holds in its hidden states once it has read a response.

Shapes: M responses, L layers, P poolings, d features of a hidden state.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lore_core.language_model.chat import Turn
from lore_core.language_model.decoder import Decoder, check_layer
from lore_core.language_model.shards import in_shards, kept

# prompt: mean over all that stands before the response.  mean: over the response's tokens, with the
# one that ends its turn.  last: the response's last token.  end: the one that ends its turn, where
# a reward model reads.
POOLINGS = ("prompt", "mean", "last", "end")


def read_states(
    turns: Sequence[Turn],
    decoder: Decoder,
    layers: Sequence[int],
    cache: Path | str,
    progress: bool = True,
) -> Tensor:
    """Hidden states at some layers, pooled over tokens in each of POOLINGS' ways.

    A chat longer than the decoder's window is cut at its end.  What was read is kept in `cache`, so
    an interrupted call goes on from there.

    Args:
        turns: M chats.
        decoder: the language model.
        layers: L numbers from 0 to the decoder's `n_layers`, see `Decoder.hidden`.
        cache: folder for what was read.
        progress: show tokens read, and per second.

    Returns:
        (M, L, P, d) float32 on the CPU.

    Raises:
        ValueError: there is no chat, or no such layer, or a prompt fills the whole window.
    """
    checked = [within(turn, decoder.window) for turn in turns]
    if not checked:
        raise ValueError("turns is empty; give at least one chat")
    key = [decoder.fingerprint, *(check_layer(layer, decoder.n_layers) for layer in layers)]

    def read(shard: list[list[int]]) -> Tensor:
        mine = [[checked[row] for row in batch] for batch in shard]
        return kept(cache, [key, mine], "states", lambda: all_states(mine, decoder, layers))

    return in_shards(checked, read, progress)


def pooled(hidden: Tensor, turn: Turn) -> Tensor:
    """The hidden states (t, d) of one chat, pooled in each of POOLINGS' ways: (P, d)."""
    response = hidden[turn.start : turn.stop]
    last = response[max(0, len(response) - 2)]
    return torch.stack([hidden[: turn.start].mean(0), response.mean(0), last, response[-1]])


def within(turn: Turn, window: int) -> Turn:
    """A chat cut to the decoder's window; some of the response has to be left."""
    if turn.start >= min(turn.stop, window):
        raise ValueError(
            f"a prompt of {turn.start} tokens leaves nothing of its response within the model's "
            f"window of {window} tokens; shorten it"
        )
    stop = min(turn.stop, window)
    return Turn(turn.ids[:stop], turn.start, stop)


def standardised(states: Tensor) -> tuple[Tensor, Tensor]:
    """Each feature with mean 0 and standard deviation 1 over all rows; and the two, (2, d)."""
    rows = states.double()
    scale = torch.stack([rows.mean(0), rows.std(0, correction=0)])
    if not (scale[1] > 0).all():
        raise ValueError("a feature of the hidden states is the same for every text")
    return (rows - scale[0]) / scale[1], scale


def all_states(parts: list[list[Turn]], decoder: Decoder, layers: Sequence[int]) -> Tensor:
    """The states of some batches, (rows, L, P, d)."""
    return torch.cat([states_of(batch, decoder, layers) for batch in parts])


def states_of(turns: Sequence[Turn], decoder: Decoder, layers: Sequence[int]) -> Tensor:
    """The states of one forward pass, (rows, L, P, d) float32 on the CPU."""
    ids = pad_sequence([torch.tensor(turn.ids) for turn in turns], batch_first=True)
    hidden = decoder.hidden(ids)
    return torch.stack(
        [
            torch.stack([pooled(hidden[layer][row].float(), turn) for layer in layers])
            for row, turn in enumerate(turns)
        ]
    ).cpu()
