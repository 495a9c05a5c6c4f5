"""The residual state that enters a model's last MLP, at the last token of each prompt.

Shapes: n prompts, d features.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lore_core.language_model.chat import Turn
from lore_core.language_model.decoder import Decoder
from lore_core.language_model.shards import in_shards, kept
from lore_core.language_model.tail import last_block

KIND = "residual"  # beside the other states in one cache


def read_residuals(
    prompts: Sequence[list[int]], decoder: Decoder, cache: Path | str, progress: bool = True
) -> Tensor:
    """The state of each prompt's last token after the last block's attention.

    What was read is kept in `cache`, so an interrupted call goes on from there.

    Args:
        prompts: n prompts as tokens.
        decoder: a Llama-like model; it should compute in float32, since bfloat16 is felt.
        cache: folder for what was read.
        progress: show tokens read, and per second.

    Returns:
        (n, d) float32 on the CPU.

    Raises:
        ValueError: there is no prompt, one is empty or longer than the window, or the model is not
            built as Llama is.
    """
    turns = [checked(ids, decoder.window) for ids in prompts]
    if not turns:
        raise ValueError("prompts is empty; give at least one")
    key = [KIND, decoder.fingerprint]

    def read(shard: list[list[int]]) -> Tensor:
        mine = [[prompts[row] for row in batch] for batch in shard]
        return kept(cache, [key, mine], KIND, lambda: all_residuals(mine, decoder.net))

    return in_shards(turns, read, progress)


def all_residuals(parts: list[list[list[int]]], net: Any) -> Tensor:
    """The states of some batches, (rows, d)."""
    return torch.cat([residuals(net, batch) for batch in parts])


def residuals(net: Any, prompts: Sequence[list[int]]) -> Tensor:
    """The states of one forward pass, (n, d) float32 on the CPU.

    Args:
        net: a Llama-like model, with its head or without.
        prompts: n prompts as tokens, read together.
    """
    # Every token looks to its left only, so padding on the right needs no mask.
    ids = pad_sequence([torch.tensor(one) for one in prompts], batch_first=True)
    rows, last = torch.arange(len(ids)), torch.tensor([len(one) - 1 for one in prompts])
    seen: list[Tensor] = []
    norm = last_block(net).post_attention_layernorm
    hook = norm.register_forward_pre_hook(lambda _, given: seen.append(given[0][rows, last]))
    try:
        with torch.no_grad():
            net.base_model(input_ids=ids.to(net.device), use_cache=False)
    finally:
        hook.remove()
    return seen[0].float().cpu()


def checked(ids: list[int], window: int) -> Turn:
    """A prompt as a turn whose answer is its last token, or a ValueError if it cannot be read."""
    if not 0 < len(ids) <= window:
        raise ValueError(f"a prompt has {len(ids)} tokens, expected 1 to {window}; shorten it")
    return Turn(ids, len(ids) - 1, len(ids))
