"""A language model in two parts: blocks that are read once, and blocks that are trained.

What enters block l does not change while only block l and those above it are trained. So it is
computed once and kept on disk.

Shapes: n prompts, t tokens, d features.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from lore_core.language_model.batches import batches
from lore_core.language_model.decoder import fingerprint
from lore_core.language_model.residual import checked
from lore_core.language_model.shards import BATCH
from lore_core.language_model.tail import last_block
from lore_core.tools import checks, checksums, tensor_files


def part(model: Any, first: int = 0, stop: int | None = None) -> Any:
    """Some of a model's blocks as a model of the same class, with the same weights.

    The weights are shared: what is trained here, or injected into a block, is found in the whole
    model too. Such a part reads states as `inputs_embeds`; the one with the last block ends with
    the final norm and the head, every other with neither.

    Args:
        model: a Llama-like model of transformers with its head.
        first: number of the first block, from 0.
        stop: number behind the last one; default all.

    Raises:
        ValueError: there are no such blocks, or the model is not built as Llama is.
    """
    last_block(model)
    base, n = model.base_model, model.config.num_hidden_layers
    stop = n if stop is None else checks.whole_number("stop", stop, at_least=0)
    if checks.whole_number("first", first, at_least=0) > stop or stop > n:
        raise ValueError(f"asked for the blocks {first} to {stop - 1} of a model of {n}")
    config = copy.deepcopy(model.config)
    config.num_hidden_layers = stop - first
    with torch.device("meta"):  # a body without weights, which gets the model's own
        body = type(model)(config)
    for name, module in base.named_children():
        setattr(body.base_model, name, module)
    body.base_model.layers = nn.ModuleList(base.layers[first:stop])
    body.lm_head = model.lm_head
    if stop < n:
        body.base_model.norm = body.lm_head = nn.Identity()
    return body.train(model.training)


class Entering:
    """What enters a block, prompt by prompt, on disk. Made by `entering`.

    Args:
        places: for each prompt the file and the name of its tensor in it.
    """

    def __init__(self, places: Sequence[tuple[Path, str]]) -> None:
        self.places = list(places)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> Tensor:
        """The states of one prompt's tokens, (t, d)."""
        return tensor_files.peek(*self.places[row])

    def batch(self, rows: Sequence[int]) -> Tensor:
        """The states of some prompts, (n, t, d), padded with 0 on the right, where nobody looks."""
        return pad_sequence([self[row] for row in rows], batch_first=True)


def entering(
    model: Any,
    prompts: Sequence[list[int]],
    block: int,
    cache: Path | str,
    progress: bool = True,
) -> Entering:
    """The states that enter a block, read once for each prompt.

    They are kept by prompt, block, and the weights below the block, so an interrupted call goes on
    from there, and training above the block leaves them valid.

    Args:
        model: a Llama-like model of transformers with its head.
        prompts: n prompts as tokens.
        block: its number, from 0.
        cache: folder for the states.
        progress: show tokens read, and per second.

    Raises:
        ValueError: there is no such block, or a prompt is empty or longer than the window.
    """
    below = part(model, 0, block)
    for ids in prompts:
        checked(ids, model.config.max_position_embeddings)
    folder = Path(cache) / f"{fingerprint(below)[:16]}-{block}"
    names = [checksums.sha256(json.dumps(ids).encode())[:16] for ids in prompts]
    known = index(folder)
    todo = {name: ids for name, ids in zip(names, prompts, strict=True) if name not in known}
    bar = tqdm(total=sum(map(len, todo.values())), unit="token", disable=not progress)
    missing = list(todo)
    for rows in batches([len(todo[name]) for name in missing], BATCH):
        some = {missing[row]: todo[missing[row]] for row in rows}
        known |= dict.fromkeys(some, written(below, some, folder))
        bar.update(sum(map(len, some.values())))
    return Entering([(known[name], name) for name in names])


def index(folder: Path) -> dict[str, Path]:
    """Which file holds which prompt; a damaged file holds none."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                found |= dict.fromkeys(file.keys(), path)
        except (OSError, SafetensorError):  # it is written anew
            path.unlink()
    return found


@torch.no_grad()
def written(below: Any, prompts: dict[str, list[int]], folder: Path) -> Path:
    """The file with the states of some prompts, which are read together."""
    ids = pad_sequence([torch.tensor(one) for one in prompts.values()], batch_first=True)
    found = below.base_model(input_ids=ids.to(below.device), use_cache=False).last_hidden_state
    states = {name: found[row, : len(one)].cpu() for row, (name, one) in enumerate(prompts.items())}
    path = folder / f"{checksums.sha256(json.dumps(list(prompts)).encode())[:16]}.safetensors"
    tensor_files.write(path, states, {})
    return path
