"""The residual state that enters a model's last MLP, at the last token of each prompt.

Shapes: n prompts, d features.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from lore_core.language_model.chat import Turn
from lore_core.language_model.decoder import Decoder
from lore_core.language_model.states import shards
from lore_core.language_model.tail import last_block
from lore_core.tools import checksums, tensor_files

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
    bar = tqdm(total=sum(turn.stop for turn in turns), unit="token", disable=not progress)
    todo, parts = list(shards(turns)), []
    for shard in todo:
        mine = [[prompts[row] for row in batch] for batch in shard]
        parts.append(_kept(mine, decoder, key, Path(cache)))
        bar.update(sum(len(ids) for batch in mine for ids in batch))
    order = torch.tensor([row for shard in todo for batch in shard for row in batch])
    return torch.cat(parts)[order.argsort()]


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


def _kept(parts: list[list[list[int]]], decoder: Decoder, key: list[str], cache: Path) -> Tensor:
    """The states of some batches, from the cache if they lie there."""
    name = checksums.sha256(json.dumps([key, parts]).encode())[:16]
    path = cache / f"{name}.safetensors"
    try:
        return tensor_files.read(path)[0]["residual"]
    except (FileNotFoundError, ValueError):  # not there yet, or damaged: either way, once more
        states = torch.cat([residuals(decoder.net, batch) for batch in parts])
        tensor_files.write(path, {"residual": states}, {})
        return states
