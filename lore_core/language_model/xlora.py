"""X-LoRA: LoRA adapters of one model, mixed token by token by a small classifier, by peft.

    ρ = softmax(W h + b)                  h the last state of the model without adapters
    W0 x + Σ_m ρ_m s B_m A_m x            in every adapted layer; W and b alone are trained

So each text is read twice. Source: X-LoRA (arXiv 2402.07148).

Shapes: n texts, t tokens, d features, M adapters, v entries of the vocabulary.
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


class Said(NamedTuple):
    """What a decoder finds likely next, and what it remembers.

    Args:
        logits: (n, 1, v).
        past_key_values: for its next call.
    """

    logits: Tensor
    past_key_values: Any


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


class Speaking(nn.Module):
    """A decoder with X-LoRA in its upper blocks, which can answer token by token.

    The lower blocks remember what they have read. The upper ones cannot, so they read all tokens
    again at each step.

    Args:
        model: the whole decoder, for its settings.
        below: its lower blocks, as `whole.part` gives them.
        above: the upper ones.
    """

    def __init__(self, model: Any, below: Any, above: Above) -> None:
        super().__init__()
        self.config, self.generation_config = model.config, model.generation_config
        self.device = model.device
        self.below, self.above = below, above

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_ids: Tensor,
        past_key_values: tuple[Any, Tensor] | None = None,
        use_cache: bool = True,
    ) -> Said:
        """What comes next.

        Args:
            input_ids, position_ids: (n, t) new tokens and their places.
            attention_mask: (n, t') 1 for each token so far, 0 for padding on the left.
            past_key_values: as the call before returned it.
            use_cache: has to be True.
        """
        cache, before = past_key_values or (None, None)
        read = self.below.base_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        )
        new = read.last_hidden_state
        states = new if before is None else torch.cat([before, new], 1)
        found = self.above.base_model(
            inputs_embeds=states,
            attention_mask=attention_mask,
            position_ids=(attention_mask.cumsum(1) - 1).clamp_min(0),
            use_cache=False,
        )
        logits = self.above.lm_head(found.last_hidden_state[:, -1:])
        return Said(logits, (read.past_key_values, states))
