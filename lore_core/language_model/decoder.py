"""A decoder that can be read: its tokenizer with a chat template, and its layers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lore_core.language_model.chat import chat_tokenizer
from lore_core.language_model.checkpoint import loaded
from lore_core.tools import checks, devices, extra
from lore_core.tools.devices import Device

KINDS = ("float32", "bfloat16")


@dataclass(frozen=True, eq=False)
class Decoder:
    """A language model without its head, ready to read.

    Args:
        tokenizer: a fast tokenizer with a chat template.
        net: the model; its parameters are not trained here.
    """

    tokenizer: Any
    net: Any

    @classmethod
    def load(
        cls,
        model: Path | str,
        up_to: int | None = None,
        kind: str = "float32",
        device: Device = None,
    ) -> Decoder:
        """Read a model from a folder, or from the Hugging Face Hub.

        Args:
            model: a folder, or a name on the Hub.
            up_to: the highest layer wanted; blocks above it are left out. Default all.
            kind: of number, "float32" or "bfloat16". The second is faster where the processor has
                it, and changes hidden states in the third digit.
            device: where it computes; default a GPU if there is one.

        Raises:
            ValueError: the model has no such layer, no chat template, or no fast tokenizer, or its
                files lack a weight.
            ImportError, OSError: transformers is missing; the model cannot be loaded.
        """
        checks.one_of("kind", kind, KINDS)
        transformers = extra.needed("transformers", "reading hidden states")
        try:
            tokenizer = chat_tokenizer(model)
            config = transformers.AutoConfig.from_pretrained(model)
            config.num_hidden_layers = depth(config.num_hidden_layers, up_to)
            net = loaded("AutoModel", model, config=config, dtype=getattr(torch, kind))
        except OSError as error:
            raise OSError(
                f"cannot load {str(model)!r}: neither a folder that holds a language model nor "
                "within reach on the Hugging Face Hub. `make model` makes one in build/model"
            ) from error
        return cls(tokenizer, net.to(devices.pick(device)))

    @property
    def n_layers(self) -> int:
        """Blocks; `hidden` knows the layers 0 (before the first block) to n_layers."""
        return self.net.config.num_hidden_layers

    @property
    def window(self) -> int:
        """Tokens that it can read at once."""
        return self.net.config.max_position_embeddings

    @property
    def fingerprint(self) -> str:
        """A checksum of every weight, to know the model again."""
        return fingerprint(self.net)

    @torch.no_grad()
    def hidden(self, ids: Tensor) -> tuple[Tensor, ...]:
        """The hidden states of every layer, as transformers counts them.

        Layer 0 is what enters the first block, layer l what leaves block l, and the last one, after
        the final normalisation, what the model's head reads.

        Args:
            ids: (n, t) tokens, padded on the right.

        Returns:
            One (n, t, d) tensor for each layer.
        """
        # Every token looks to its left only, so padding on the right needs no mask: it is read, and
        # nobody reads what came of it.
        return self.net(
            input_ids=ids.to(self.net.device), output_hidden_states=True, use_cache=False
        ).hidden_states


def fingerprint(net: Any) -> str:
    """A checksum of every weight of a network, and of their names."""
    digest = hashlib.sha256()
    for name, weight in net.named_parameters():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def depth(n_blocks: int, up_to: int | None) -> int:
    """How many blocks are needed to read a layer: one more, since the last one is normalised."""
    if up_to is None:
        return n_blocks
    return min(n_blocks, check_layer(up_to, n_blocks) + 1)


def check_layer(layer: int, n_blocks: int) -> int:
    """The layer, or a ValueError if a model of so many blocks does not have it."""
    if checks.whole_number("a layer", layer, at_least=0) > n_blocks:
        raise ValueError(f"layer {layer} is wanted of a model that has the layers 0 to {n_blocks}")
    return layer
