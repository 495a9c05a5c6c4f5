"""The processes that share a fit, and what they do together.

Sums and maxima are torch.distributed's: gloo between CPUs, nccl between GPUs. Every process gets
the same bits, so that all of them take the same decisions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from lore_core.tools import checks, command, devices
from lore_core.tools.devices import Device

Made = TypeVar("Made")
LOST = "another process ended, or did not answer in time; the same command goes on from here"


@dataclass(frozen=True)
class Processes:
    """Which process this is, and of how many.

    Args:
        rank: from 0.
        count: of all.
    """

    rank: int = 0
    count: int = 1

    def total(self, values: Tensor) -> Tensor:
        """The sum of every process' values, in place of them."""
        return self.together(values, dist.all_reduce, dist.ReduceOp.SUM)

    def largest(self, values: Tensor) -> Tensor:
        """The maximum of every process' values, in place of them."""
        return self.together(values, dist.all_reduce, dist.ReduceOp.MAX)

    def first(self, value: Any) -> Any:
        """What the first process says."""
        return self.together([value], dist.broadcast_object_list)[0]

    def each(self, value: Any) -> list[Any]:
        """What each process says, in their order."""
        found = [value] * self.count
        if self.count > 1:
            self.together(found, dist.all_gather_object, value)
        return found

    def joined(self, mine: Tensor, lengths: list[int]) -> Tensor:
        """The rows of all processes, one below the other, on the first; elsewhere one's own.

        Args:
            mine: (n, K).
            lengths: n of each process.
        """
        if self.rank > 0:
            return self.together(mine.contiguous(), dist.send, 0)
        others = [mine.new_empty(n, *mine.shape[1:]) for n in lengths[1:]]
        return torch.cat(
            [mine, *(self.together(t, dist.recv, i + 1) for i, t in enumerate(others))]
        )

    def together(self, values: Made, do: Callable[..., Any], *arguments: Any) -> Made:
        """The values after something that all processes do; alone there is nothing to do.

        Raises:
            RuntimeError: a process is lost.
        """
        if self.count > 1:
            try:
                do(values, *arguments)
            except RuntimeError as error:
                raise RuntimeError(LOST) from error
        return values

    def agreed(self, make: Callable[[], Made]) -> Made:
        """What is made on this process, once every process has made it.

        Raises:
            ValueError: it failed somewhere; all processes say what the first of these says.
        """
        try:
            made, wrong = make(), None
        except command.ERRORS as error:
            wrong = str(error) or type(error).__name__
        said = next(filter(None, self.each(wrong)), None)
        if said is not None:
            raise ValueError(said)
        return made


@contextmanager
def started(device: Device, seconds: float) -> Iterator[tuple[Processes, torch.device]]:
    """The processes that torchrun started, or this one alone, and the device of this one.

    Args:
        device: "cpu" or "cuda"; default each process its own GPU if there are any.
        seconds: after which a process that does not answer counts as lost.

    Raises:
        ValueError: there is no such device, or the time is not above 0.
    """
    limit = timedelta(seconds=checks.number("timeout", seconds, above=True))
    own = own_device(device)
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield Processes(), own
        return
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=limit)
    yield Processes(dist.get_rank(), count), own
    dist.destroy_process_group()


def own_device(device: Device) -> torch.device:
    """The device of this process; of several GPUs each process of a machine takes its own."""
    try:
        found = devices.pick(device)
        if found.type == "cuda" and found.index is None:
            found = devices.pick(f"cuda:{os.environ.get('LOCAL_RANK', 0)}")
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if found.type == "cuda":
        torch.cuda.set_device(found)
    return found
