"""X-LoRA: LoRA adapters of one model, mixed token by token by a small classifier, by peft.

    ρ = softmax(W h + b)                  h the last state of the model without adapters
    W0 x + Σ_m ρ_m s B_m A_m x            in every adapted layer; W and b alone are trained

So each text is read twice. Source: X-LoRA (arXiv 2402.07148).

Shapes: n texts, t tokens, d features, M adapters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lore_core.tools import checks, extra


def with_xlora(model: Any, folders: Sequence[Path | str], source: torch.Generator) -> Any:
    """The model with adapters and a fresh classifier, which alone can be trained.

    Everything that peft leaves open is as it has it: one linear layer, one share of an adapter for
    all layers.

    Args:
        model: a decoder with its head; its layers are replaced in place.
        folders: M adapters of it, as peft writes them.
        source: of the classifier's first weights.

    Raises:
        ImportError: peft is missing.
        ValueError: there are no adapters.
    """
    checks.whole_number("the number of folders", len(folders), at_least=1)
    peft = extra.needed("peft", "X-LoRA")
    model.config.use_cache = False  # a memory would take in each token twice; peft refuses it
    config = peft.XLoraConfig(
        task_type="CAUSAL_LM",
        hidden_size=model.config.hidden_size,
        # It loads them under their places, whatever they are called, and asks for them by name.
        adapters={str(place): str(folder) for place, folder in enumerate(folders)},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=source)))
        return peft.get_peft_model(model, config)


class Read(NamedTuple):
    """What a decoder's body finds.

    Args:
        last_hidden_state: (n, t, d) behind the final norm.
    """

    last_hidden_state: Tensor


class Above(nn.Module):
    """Blocks with X-LoRA in them, under the names that `TextsAbove` reads blocks by.

    Args:
        adapted: as `with_xlora` gives it.
    """

    def __init__(self, adapted: Any) -> None:
        super().__init__()
        self.adapted = adapted
        self.device, self.dtype = adapted.device, adapted.dtype
        self.lm_head = adapted.get_base_model().lm_head

    def base_model(self, **given: Any) -> Read:
        """The states of all tokens; both readings are peft's."""
        found = self.adapted(output_hidden_states=True, logits_to_keep=1, **given)
        return Read(found.hidden_states[-1])
