"""Hooks that move a network's states while it runs; they are gone when it is done.

Shapes: n texts, d features of a state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from lore_core.perfit.chosen import Chosen, Reading
from lore_core.perfit.nudge import Nudge
from lore_core.perfit.positions import Positions

STATE = "state"  # the place of a network that reads states


@contextmanager
def attach(
    net: Any, nudges: Mapping[str, Nudge], positions: Positions, first: int = 0
) -> Iterator[Reading]:
    """Move a network's states as long as the context lasts.

    Only tokens of the prompt are moved. With a cache of keys and values they are read once, and
    moved then; what is read later stays as it is.

    Args:
        net: a decoder of transformers, of any kind; or any network that reads states, (n, d).
        nudges: by the number of the block, whose output is moved; or one for the place "state".
        positions: which tokens of the prompt are moved.
        first: the number of the network's first block, for an upper part of a model.

    Yields:
        What the network is to know of the texts; set it before each batch.

    Raises:
        ValueError: there is no such block; or later, what was set does not fit the texts.
    """
    reading = Reading()
    with ExitStack() as hooks:
        if STATE in nudges:
            hook = net.register_forward_pre_hook(moving_input(nudges[STATE], reading))
            hooks.callback(hook.remove)
        else:
            chosen = Chosen(reading, positions)
            for module in {id(net): net, id(net.base_model): net.base_model}.values():
                hook = module.register_forward_pre_hook(chosen, with_kwargs=True)
                hooks.callback(hook.remove)
            for name, nudge in nudges.items():
                block = block_of(net, int(name), first)
                hook = block.register_forward_hook(moving_output(nudge, chosen))
                hooks.callback(hook.remove)
        yield reading


def moving_input(nudge: Nudge, reading: Reading) -> Any:
    """The hook of a network that reads states: all of them are moved."""
    return lambda _, given: (nudge(given[0], reading.user), *given[1:])


def moving_output(nudge: Nudge, chosen: Chosen) -> Any:
    """The hook of a block: the chosen tokens of its output are moved."""

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        states = output[0] if isinstance(output, tuple) else output
        moved = chosen.move(states, nudge)
        return (moved, *output[1:]) if isinstance(output, tuple) else moved

    return hook


def block_of(net: Any, number: int, first: int = 0) -> nn.Module:
    """A block of a decoder by its number.

    Args:
        net: a decoder of transformers, of any kind, or an upper part of one.
        number: from 0, in the whole model.
        first: the number of the network's first block.

    Raises:
        ValueError: there is no such block; says which there are.
    """
    found = blocks(net)
    if not first <= number < first + len(found):
        raise ValueError(
            f"layer {number} is to be moved, but the model has {len(found)} blocks, counted from "
            f"{first} to {first + len(found) - 1}"
        )
    return found[number - first]


def blocks(net: Any) -> nn.ModuleList:
    """The blocks of a decoder of transformers.

    Raises:
        ValueError: none are found.
    """
    config = getattr(net, "config", None)
    n = config.get_text_config().num_hidden_layers if config is not None else 0
    for module in net.modules():
        if isinstance(module, nn.ModuleList) and len(module) == n > 0:
            return module
    raise ValueError(f"{type(net).__name__} has no blocks; give a decoder of transformers")
