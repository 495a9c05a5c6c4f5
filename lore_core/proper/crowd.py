"""Stage 1 on a whole language model: LoRA on its attention, by peft, then part of the weights."""

from __future__ import annotations

from typing import Any

import torch

from lore_core.language_model.lora import with_lora
from lore_core.proper.recipe import Stage
from lore_core.tasks.descent import descend
from lore_core.tasks.texts import Texts

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


def tuned_for_all(
    model: Any, texts: Texts, stage: Stage, source: torch.Generator
) -> tuple[Any, list[float]]:
    """Train one adapter for everybody and merge it.

    Args:
        model: a decoder with its head; it is changed.
        texts: of everybody.
        stage: how.
        source: of all draws.

    Returns:
        The model with the adapter in its weights, and the mean loss of each pass.

    Raises:
        ImportError: peft is missing.
        FloatingPointError: a loss is NaN or infinite.
    """
    adapted = with_lora(model, source, ATTENTION, stage.rank, stage.alpha, stage.dropout)
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    adapted.train()
    with torch.random.fork_rng():  # peft's dropout draws from torch's own
        torch.manual_seed(int(torch.randint(2**62, (), generator=source)))
        curve = descend(
            weights,
            lambda rows: texts.losses(adapted, rows),
            texts.user,
            stage,
            source,
            "population",
            together=texts.together,
        )
    return adapted.merge_and_unload().eval(), curve
