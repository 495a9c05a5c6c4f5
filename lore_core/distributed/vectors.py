"""Vectors of which each process holds a part, for an optimiser that takes dot products.

torch's L-BFGS puts basis and logits into one flat vector and does two kinds of things with it:
sums and multiples, which every process can do on its own part, and dot products and norms, which
are numbers of the whole. A gradient of this type lets L-BFGS run on every process as it is: the
whole vector is

    [basis, which all processes have | logits of process 0 | logits of process 1 | ...]

and a process holds [basis | its logits]. What becomes a number is summed over all processes, and
of the basis, which would be counted once by each, only the first process' copy counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from lore_core.distributed.processes import Processes


class Vector(Tensor):
    """A flat vector, of which this process holds the first `common` numbers and its own part.

    `vector_type` makes the class of one fit.
    """

    common: int
    processes: Processes

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Everything as a tensor does it, but for what becomes one number."""
        whole = WHOLE.get(func)
        if whole is None:
            return super().__torch_function__(func, types, args, kwargs or {})
        return whole(cls, *(vector.as_subclass(Tensor) for vector in args))

    @classmethod
    def counted(cls, vector: Tensor) -> Tensor:
        """What of a vector this process counts."""
        return vector if cls.processes.rank == 0 else vector[cls.common :]


def dot(kind: type[Vector], one: Tensor, other: Tensor) -> Tensor:
    """The dot product of two whole vectors."""
    return kind.processes.total(kind.counted(one) @ kind.counted(other))


def total(kind: type[Vector], vector: Tensor) -> Tensor:
    """The sum of a whole vector."""
    return kind.processes.total(kind.counted(vector).sum())


def largest(kind: type[Vector], vector: Tensor) -> Tensor:
    """The largest number of a whole vector."""
    return kind.processes.largest(vector.max())


WHOLE: dict[Callable, Callable[..., Tensor]] = {
    Tensor.dot: dot,
    torch.dot: dot,
    Tensor.sum: total,
    torch.sum: total,
    Tensor.max: largest,
    torch.max: largest,
}


@cache
def vector_type(common: int, processes: Processes) -> type[Vector]:
    """The type of vectors whose first `common` numbers every process has."""
    return type("Vector", (Vector,), {"common": common, "processes": processes})
