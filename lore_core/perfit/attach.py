"""Hooks that move a network's states while it runs; they are gone when it is done.

Shapes: n texts, t tokens, k tokens that are moved, d features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lore_core.perfit.nudge import Nudge
from lore_core.perfit.positions import Positions

STATE = "state"  # the place of a network that reads states


@dataclass(eq=False)
class Reading:
    """Whose texts a network is about to read.

    Args:
        user: (n,) whose each text is; is not asked for where there is no φ_u.
        prompt: (n, t) bool, which tokens are the prompt's. Default all that are no padding in a
            call without a past; where an answer is generated without a cache, it has to be given.
    """

    user: Tensor | None = None
    prompt: Tensor | None = None


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


class Chosen:
    """Which tokens of a running batch are moved; a hook that looks at what the network is given.

    Args:
        reading: what is known of the texts.
        positions: which tokens of the prompt are moved.
    """

    def __init__(self, reading: Reading, positions: Positions) -> None:
        self.reading, self.positions = reading, positions
        self.tokens = torch.zeros(0, 0, dtype=torch.bool)

    def __call__(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note which tokens of a call are to be moved."""
        texts = kwargs.get("input_ids", args[0] if args else None)
        texts = kwargs["inputs_embeds"] if texts is None else texts
        past = kwargs.get("past_key_values")
        start = 0 if past is None else int(past.get_seq_length())
        stop = start + texts.shape[1]
        prompt = self._prompt(texts, kwargs.get("attention_mask"), start)
        some = self.positions.of(prompt)[:, start:stop]
        self.tokens = pad(some, (0, texts.shape[1] - some.shape[1])).to(texts.device)

    def move(self, states: Tensor, nudge: Nudge) -> Tensor:
        """The states of a block, (n, t, d), with the chosen ones moved."""
        rows, places = self.tokens.to(states.device).nonzero(as_tuple=True)
        if len(rows) == 0:
            return states
        user = self.reading.user
        own = None if user is None else user.to(rows.device)[rows]
        moved = nudge(states[rows, places], own)
        return states.index_put((rows, places), moved.to(states.dtype))

    def _prompt(self, texts: Tensor, attention: Tensor | None, start: int) -> Tensor:
        """Which tokens, from the first ever read, are the prompt's."""
        n, t = texts.shape[:2]
        if self.reading.user is not None and len(self.reading.user) != n:
            raise ValueError(
                f"reading.user has {len(self.reading.user)} users, but the network reads {n} texts"
            )
        given = self.reading.prompt
        if given is None:
            whole = torch.ones(n, t) if attention is None else attention
            return whole.bool() if start == 0 else torch.zeros(n, start + t, dtype=torch.bool)
        if len(given) != n:
            raise ValueError(f"reading.prompt has {len(given)} rows, but the network reads {n}")
        return given


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
