"""Mixed logits: several policies speak as one, each with a user's weight.

    log p(token) = Σ_k w_k log p_k(token) + constant

p_k is one decoder under its adapter k, which was aligned to reward k. Nothing is trained for the
user; each token costs a forward pass for every weight above 0.

Shapes: n responses, v entries of the vocabulary, K adapters.

Source: multi-objective decoding, one of the ways to make a policy for a weight that PALM
(arXiv 2604.04144) refers to.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lore_core.language_model.checkpoint import quiet
from lore_core.language_model.sampling import Speaker
from lore_core.tools import checks, extra


class Mixture:
    """K adapters of one decoder while they speak as one, see `sampling.Speaks`.

    Args:
        model: a decoder with its head that holds the adapters.
        adapters: K names.
        weights: (K,) on the simplex.
    """

    def __init__(self, model: Any, adapters: Sequence[str], weights: Tensor) -> None:
        self.model = model
        pairs = zip(adapters, weights.tolist(), strict=True)
        self.parts = [(name, weight, Speaker(model)) for name, weight in pairs if weight > 0]

    def next(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Log-probabilities of the next token, (n, v)."""
        mixed = torch.zeros(())
        for name, weight, speaker in self.parts:
            self.model.set_adapter(name)
            mixed = mixed + weight * speaker.next(ids, mask)
        return mixed.log_softmax(-1)


def add_adapters(model: Any, folders: Mapping[str, Path | str]) -> None:
    """Bring adapters into a decoder's memory; which one speaks stays as it was.

    Args:
        model: a decoder with its head, of transformers.
        folders: name -> folder that `train_policy`, or another program with peft, wrote.

    Raises:
        ImportError: peft is missing.
        OSError: a folder holds no adapter.
        ValueError: the model has an adapter of this name.
    """
    extra.needed("peft", "adapters")
    transformers = extra.needed("transformers", "adapters")
    for name, folder in folders.items():
        if name in known_adapters(model):
            raise ValueError(f"the model has an adapter {name!r} already; give another name")
        if not (Path(folder) / "adapter_config.json").is_file():
            raise FileNotFoundError(f"{folder} holds no adapter; train one, or check the name")
        with quiet(transformers), warnings.catch_warnings():
            # They would say that the adapter lacks the model's weights, and that it is not alone.
            warnings.simplefilter("ignore")
            model.load_adapter(str(folder), adapter_name=name)


@contextmanager
def as_it_was(model: Any) -> Iterator[None]:
    """Afterwards the adapter that was active is active again."""
    active = model.active_adapters
    before = active() if callable(active) else active
    try:
        yield
    finally:
        model.set_adapter(before if len(before) > 1 else before[0])


def known_adapters(model: Any) -> list[str]:
    """The names of the adapters that a decoder holds."""
    return list(getattr(model, "peft_config", {}))


def check_adapters(model: Any, adapters: Sequence[str], weights: Tensor) -> None:
    """Raise a ValueError unless the model holds one adapter for each weight."""
    if isinstance(adapters, str):
        raise ValueError(f"adapters is the string {adapters!r}, expected a list of names")
    if len(adapters) != len(weights):
        raise ValueError(
            f"got {len(adapters)} adapters for {len(weights)} weights; give one for each reward"
        )
    for name in adapters:
        checks.one_of("an adapter", name, tuple(known_adapters(model)) or ("none: it has none",))
