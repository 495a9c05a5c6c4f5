"""The residual state of each prompt's last token, at several blocks of a language model.

Shapes: n prompts, L layers, d features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from lore_core.language_model.decoder import Decoder
from lore_core.language_model.residual import checked
from lore_core.language_model.shards import in_shards, kept
from lore_core.language_model.tail import last_block
from lore_core.tools import checks

Layer = int | str
TAIL = "tail"  # beside the numbers of blocks


def read_last(
    prompts: Sequence[list[int]],
    decoder: Decoder,
    layers: Sequence[Layer],
    cache: Path | str | None = None,
    progress: bool = True,
) -> Tensor:
    """The residual state of each prompt's last token at some layers.

    Args:
        prompts: n prompts as tokens.
        decoder: a Llama-like model.
        layers: L of them. A number is a block, from 0, and means the state that leaves it, before
            any norm. "tail" is the state that the last block's MLP reads, as in `residual`.
        cache: folder for what was read, so that an interrupted call goes on from there; default
            nothing is kept.
        progress: show tokens read, and per second.

    Returns:
        (n, L, d) float32 on the CPU.

    Raises:
        ValueError: there is no prompt, one is empty or longer than the window, there is no such
            layer, or the model is not built as Llama is.
    """
    turns = [checked(ids, decoder.window) for ids in prompts]
    if not turns:
        raise ValueError("prompts is empty; give at least one")
    wanted = check_layers(layers, decoder.n_layers)
    key = [wanted, decoder.fingerprint]

    def read(shard: list[list[int]]) -> Tensor:
        mine = [[prompts[row] for row in batch] for batch in shard]
        if cache is None:
            return all_last(mine, decoder.net, wanted)
        return kept(cache, [key, mine], "states", lambda: all_last(mine, decoder.net, wanted))

    return in_shards(turns, read, progress)


def all_last(parts: list[list[list[int]]], net: Any, layers: Sequence[Layer]) -> Tensor:
    """The states of some batches, (rows, L, d)."""
    return torch.cat([last_states(net, batch, layers) for batch in parts])


def last_states(net: Any, prompts: Sequence[list[int]], layers: Sequence[Layer]) -> Tensor:
    """The states of one forward pass, (n, L, d) float32 on the CPU.

    Args:
        net: a Llama-like model, with its head or without.
        prompts: n prompts as tokens, read together.
        layers: see `read_last`.
    """
    # Every token looks to its left only, so padding on the right needs no mask.
    ids = pad_sequence([torch.tensor(one) for one in prompts], batch_first=True)
    rows, last = torch.arange(len(ids)), torch.tensor([len(one) - 1 for one in prompts])
    with torch.no_grad(), _listening(net, layers) as heard:
        net.base_model(input_ids=ids.to(net.device), use_cache=False)
    return torch.stack([heard[layer][rows, last].float().cpu() for layer in layers], dim=1)


def check_layers(layers: Sequence[Layer], n_blocks: int) -> list[Layer]:
    """The layers, or a ValueError if there is none, or a model of so many blocks lacks one."""
    known = f'expected some of 0 to {n_blocks - 1}, or "{TAIL}"'
    if isinstance(layers, str) or not len(layers):
        raise ValueError(f"layers is {layers!r}; {known}")
    for layer in layers:
        if layer != TAIL and checks.whole_number("a layer", layer, at_least=0) >= n_blocks:
            raise ValueError(f"layer {layer} is wanted of a model of {n_blocks} blocks; {known}")
    return list(layers)


@contextmanager
def _listening(net: Any, layers: Sequence[Layer]) -> Iterator[dict[Layer, Tensor]]:
    """The states at each layer, (n, t, d), while the context lasts."""
    block = last_block(net)
    heard: dict[Layer, Tensor] = {}
    with ExitStack() as stack:
        for layer in dict.fromkeys(layers):

            def hear(_: nn.Module, given: Any, out: Any = None, layer: Layer = layer) -> None:
                found = given if layer == TAIL else out
                heard[layer] = found[0] if isinstance(found, tuple) else found

            if layer == TAIL:
                hook = block.post_attention_layernorm.register_forward_pre_hook(hear)
            else:
                hook = net.base_model.layers[layer].register_forward_hook(hear)
            stack.callback(hook.remove)
        yield heard
