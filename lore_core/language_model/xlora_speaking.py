"""X-LoRA that answers: each token is read twice and no more, since both readings remember.

Shapes: n texts, t tokens, d features, M adapters, v entries of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn


class Hidden(NamedTuple):
    """Where peft's classifier looks for states.

    Args:
        hidden_states: of some blocks, (n, t, d) each; it reads the last.
    """

    hidden_states: tuple[Tensor, ...]


class Said(NamedTuple):
    """What a decoder finds likely next, and what it remembers.

    Args:
        logits: (n, 1, v).
        past_key_values: for its next call.
    """

    logits: Tensor
    past_key_values: Any


class Speaking(nn.Module):
    """A decoder with X-LoRA that answers token by token.

    peft itself has no memory, and reads the whole text twice for each new token. Here the two
    readings have a memory each, so every token is read twice in all. What is said is the same.

    Args:
        model: the decoder with its head; what is adapted may be some of its blocks.
        adapted: as `with_xlora` gives it.
    """

    def __init__(self, model: Any, adapted: Any) -> None:
        super().__init__()
        self.config, self.generation_config = model.config, model.generation_config
        self.device = model.device
        self.model, self.adapted = model, adapted

    def forward(
        self, *, past_key_values: tuple[Any, Any] | None, use_cache: bool = True, **given: Any
    ) -> Said:
        """What comes next.

        Args:
            past_key_values: as the call before returned it.
            use_cache: has to be True.
            given: what the decoder reads.
        """
        plain, mixed = past_key_values or (None, None)
        with without(self.adapted):
            first = self.model.base_model(past_key_values=plain, use_cache=True, **given)
        with mixing(self.adapted, shares(self.adapted, first.last_hidden_state)):
            second = self.model(past_key_values=mixed, use_cache=True, logits_to_keep=1, **given)
        return Said(second.logits, (first.past_key_values, second.past_key_values))


def shares(adapted: Any, states: Tensor) -> Tensor:
    """ρ of each token, in each adapted layer, (n, t, layers, M), from the states (n, t, d)."""
    classifier = adapted.base_model.internal_xlora_classifier
    return classifier(Hidden((states,)), inputs_embeds=states)


@contextmanager
def without(adapted: Any) -> Iterator[None]:
    """The blocks as they are without adapters."""
    adapted.base_model.disable_adapter_layers()
    try:
        yield
    finally:
        adapted.base_model.enable_adapter_layers()


@contextmanager
def mixing(adapted: Any, given: Tensor) -> Iterator[None]:
    """The blocks with the adapters in shares that are given, (n, t, layers, M)."""
    layers = [module for module in adapted.modules() if hasattr(module, "lora_A")]
    handles = [
        layer.register_forward_pre_hook(
            lambda _, args, named: (args, named | {"scalings": given}), with_kwargs=True
        )
        for layer in layers
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
