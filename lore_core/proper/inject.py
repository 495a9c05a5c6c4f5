"""Adapted layers put into a model by their names, and taken out again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from lore_core.proper.linear import ProperLinear
from lore_core.proper.who import Who
from lore_core.tools import checks

PARTS = ("population", "experts", "router", "personal")
Make = Callable[[str, nn.Linear], ProperLinear]


@dataclass(frozen=True, eq=False)
class Injected:
    """The adapted layers of a model.

    Args:
        model: in which they lie.
        layers: by name, in the model's order.
        who: the batch, as all layers see it.
        replaced: the layers that lay there before, by name.
        trained: the model's weights, and which were trained before.
    """

    model: nn.Module
    layers: dict[str, ProperLinear]
    who: Who
    replaced: dict[str, nn.Linear]
    trained: list[tuple[nn.Parameter, bool]]

    def train_only(self, *parts: str) -> list[nn.Parameter]:
        """Train some parts of the layers and freeze all else in the model.

        Args:
            parts: of population, experts, router, personal.

        Returns:
            The weights to train; none for a part that no layer has.

        Raises:
            ValueError: there is no such part.
        """
        for part in parts:
            checks.one_of("part", part, PARTS)
        self.model.requires_grad_(False)
        self.model.zero_grad(set_to_none=True)
        found = [getattr(layer, part) for layer in self.layers.values() for part in parts]
        weights = [
            weight for module in found if module is not None for weight in module.parameters()
        ]
        for weight in weights:
            weight.requires_grad_(True)
        return weights

    def shares(self) -> dict[str, Tensor]:
        """ρ of the last batch by layer, of those that have experts."""
        found = {name: layer.shares for name, layer in self.layers.items()}
        return {name: shares for name, shares in found.items() if shares is not None}

    def merge_population(self) -> None:
        """Put the population's update into the weights of every layer."""
        for layer in self.layers.values():
            layer.merge()

    def eject(self, merged: bool = False) -> None:
        """Take the layers out; the model is again what it was, bit for bit.

        Args:
            merged: leave the weights that `merge_population` made.
        """
        for name, layer in self.layers.items():
            self.model.set_submodule(name, layer.base if merged else self.replaced[name])
        restore(self.trained)


def inject(model: nn.Module, names: str | Sequence[str], make: Make) -> Injected:
    """Put an adapted layer in the place of every linear layer whose name matches.

    Args:
        model: any; all its weights are frozen.
        names: a regular expression for the whole name, or a list of the names' last parts.
        make: the adapted layer from a name and the layer.

    Raises:
        ValueError: no name matches, or what `make` raises; the model is then as it was.
    """
    chosen = matching(model, names)
    trained = [(weight, weight.requires_grad) for weight in model.parameters()]
    try:
        layers = {name: make(name, linear) for name, linear in chosen.items()}
    except BaseException:
        restore(trained)
        raise
    who = Who()
    model.requires_grad_(False)
    for name, layer in layers.items():
        layer.who = who
        model.set_submodule(name, layer.train(chosen[name].training))
    return Injected(model, layers, who, chosen, trained)


def matching(model: nn.Module, names: str | Sequence[str]) -> dict[str, nn.Linear]:
    """The linear layers of a model whose names match; adapted ones are no longer among them.

    Raises:
        ValueError: there is none.
    """
    inside = {id(m.base) for m in model.modules() if isinstance(m, ProperLinear)}
    linears = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name and id(module) not in inside
    }
    ends = "" if isinstance(names, str) else "|".join(map(re.escape, names))
    pattern = re.compile(names if isinstance(names, str) else rf"(.*\.)?({ends})")
    found = {name: linear for name, linear in linears.items() if pattern.fullmatch(name)}
    if not found:
        known = sorted({re.sub(r"\b\d+\b", "*", name) for name in linears})
        raise ValueError(
            f"names {names!r} matches no linear layer; the model has {', '.join(known) or 'none'}"
        )
    return found


def restore(trained: list[tuple[nn.Parameter, bool]]) -> None:
    """Weights trained or frozen as they were."""
    for weight, flag in trained:
        weight.requires_grad_(flag)
