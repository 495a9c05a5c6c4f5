"""A decoder with fresh LoRA on some of its linear layers, by peft."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lore_core.tools import draws, extra


def with_lora(
    model: Any,
    source: torch.Generator,
    targets: str | Sequence[str],
    rank: int,
    alpha: float,
    dropout: float = 0.0,
) -> Any:
    """The model with a fresh adapter; it says what it said before.

    Args:
        model: a decoder with its head; its layers are replaced in place, `unload` undoes it.
        source: of the adapter's first weights.
        targets: which linear layers, by the ends of their names; or "all-linear".
        rank, alpha, dropout: of the update of each.

    Raises:
        ImportError: peft is missing.
        ValueError: the model has no such layers.
    """
    peft = extra.needed("peft", "training an adapter")
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):  # its own first weights are replaced below
        adapted = peft.get_peft_model(model, config)
    for name, weight in adapted.named_parameters():
        if "lora_A" in name:
            drawn = draws.normal(source, *weight.shape) / weight.shape[1] ** 0.5
            weight.data.copy_(drawn)
    return adapted
