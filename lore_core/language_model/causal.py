"""A decoder with its head: what it finds likely.

Shapes: n chats, t tokens, v entries of the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from lore_core.language_model.batches import batches
from lore_core.language_model.chat import Prompt, Turn, chat_tokenizer, turns
from lore_core.language_model.checkpoint import loaded
from lore_core.language_model.decoder import KINDS
from lore_core.tools import checks, devices
from lore_core.tools.devices import Device

BUDGET = 1024  # tokens per forward pass, padding included: each makes a row of v numbers
NOT_COUNTED = -100


def load(model: Path | str, kind: str = "float32", device: Device = None) -> tuple[Any, Any]:
    """A decoder with its head, and its tokenizer.

    Args:
        model: a folder, or a name on the Hub.
        kind: of number, "float32" or "bfloat16".
        device: where it computes; default a GPU if there is one.

    Raises:
        ValueError: it has no chat template, no fast tokenizer, or lacks a weight.
        ImportError, OSError: transformers is missing; the model cannot be loaded.
    """
    checks.one_of("kind", kind, KINDS)
    tokenizer = chat_tokenizer(model)
    net = loaded("AutoModelForCausalLM", model, dtype=getattr(torch, kind))
    return net.to(devices.pick(device)), tokenizer


def heads(tokenizer: Any, prompts: Sequence[Prompt]) -> list[list[int]]:
    """The tokens of each prompt, up to where the response begins.

    Raises:
        ValueError: there is no prompt, one of them is no text, or there is no chat template.
    """
    check_prompts(tokenizer, prompts)
    return [turn.ids[: turn.start] for turn in turns(tokenizer, prompts, [""] * len(prompts))]


def said(
    tokenizer: Any,
    prompts: Sequence[Prompt],
    responses: Sequence[str],
    ended: Sequence[bool] | None = None,
) -> list[Turn]:
    """Each prompt with its response as tokens; nothing stands behind the response.

    Args:
        tokenizer: with a chat template.
        prompts, responses: n of each.
        ended: n; False where a response was cut short, so that no token ends its turn. Default all
            have ended.
    """
    check_prompts(tokenizer, prompts)
    found = turns(tokenizer, prompts, responses)
    whole = [True] * len(found) if ended is None else list(ended)
    checks.same_length("ended", whole, "responses", responses)
    stops = [turn.stop - (not end) for turn, end in zip(found, whole, strict=True)]
    return [
        Turn(turn.ids[:stop], turn.start, stop) for turn, stop in zip(found, stops, strict=True)
    ]


def log_likelihood(model: Any, some: Sequence[Turn]) -> Tensor:
    """log p(response | prompt): the sum over the response's tokens. A gradient flows through it.

    Args:
        model: a decoder with its head.
        some: n chats that are read together.

    Returns:
        (n,) float32, where the model computes.
    """
    # Every token looks to its left only, so padding on the right needs no mask.
    ids = pad_sequence([torch.tensor(turn.ids[: turn.stop]) for turn in some], batch_first=True)
    targets = torch.full_like(ids, NOT_COUNTED)
    for row, turn in enumerate(some):
        targets[row, turn.start : turn.stop] = ids[row, turn.start : turn.stop]
    logits = model(input_ids=ids[:, :-1].to(model.device), use_cache=False).logits.float()
    wanted = targets[:, 1:].to(logits.device)
    losses = cross_entropy(
        logits.transpose(1, 2), wanted, ignore_index=NOT_COUNTED, reduction="none"
    )
    return -losses.sum(1)


@torch.no_grad()
def log_likelihoods(model: Any, chats: Sequence[Turn], budget: int = BUDGET) -> Tensor:
    """`log_likelihood` of many chats, in batches of like length, (n,) float64 on the CPU."""
    found = torch.zeros(len(chats), dtype=torch.float64)
    for rows in batches([turn.stop for turn in chats], budget):
        found[rows] = log_likelihood(model, [chats[row] for row in rows]).double().cpu()
    return found


def bits_per_byte(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    responses: Sequence[str],
    ended: Sequence[bool] | None = None,
) -> Tensor:
    """How surprising a model finds each response: −log₂ p / bytes, (n,); NaN for an empty one.

    Bytes, since another tokenizer has other tokens. The token that ends the turn counts as bits
    where the response has one.

    Args:
        model, tokenizer: a decoder with its head.
        prompts, responses, ended: as in `said`.
    """
    chats = said(tokenizer, prompts, responses, ended)
    sizes = torch.tensor([float(len(text.encode())) for text in responses], dtype=torch.float64)
    return -log_likelihoods(model, chats) / math.log(2) / sizes.where(sizes > 0, math.nan)


def window(model: Any) -> int:
    """Tokens that a decoder can read at once."""
    return model.config.get_text_config().max_position_embeddings


def check_prompts(tokenizer: Any, prompts: Sequence[Prompt]) -> None:
    """Raise a ValueError unless there are prompts, and a chat template to put them under."""
    if isinstance(prompts, str):
        raise ValueError(f"prompts is the string {prompts[:40]!r}, expected a list of prompts")
    if len(prompts) == 0:
        raise ValueError("prompts is empty; give at least one")
    if not getattr(tokenizer, "chat_template", None):
        name = getattr(tokenizer, "name_or_path", "") or "the tokenizer"
        raise ValueError(f"{name} has no chat template; give a model that was made for chat")
