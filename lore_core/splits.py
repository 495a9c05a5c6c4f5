"""Which users, or which prompts, are for learning, for choosing and for testing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.tools import checks, draws


@dataclass(frozen=True, eq=False)
class Split:
    """Ids of users, or of prompts, in three parts that share none; `how` says how they were drawn.

    For users, `train` are the seen users and `test` the unseen ones; likewise for prompts.
    """

    train: Tensor
    validation: Tensor
    test: Tensor
    how: str

    def __post_init__(self):
        for name in ("train", "validation", "test"):
            checks.set_field(self, name, checks.index_vector(name, getattr(self, name)))
        ids = torch.cat([self.train, self.validation, self.test])
        if len(ids.unique()) < len(ids):
            raise ValueError("the parts of a split share ids; each id belongs to one part only")


def split(ids: Tensor, validation: float, test: float, generator: torch.Generator) -> Split:
    """Shuffle ids and cut them into train, validation and test.

    Args:
        ids: (n,) user ids or prompt ids.
        validation, test: shares of n, each in [0, 1), together below 1.
        generator: source of the shuffle.

    Returns:
        A Split whose parts are sorted.

    Raises:
        ValueError: the shares leave nothing to train on.
    """
    ids = checks.index_vector("ids", ids)
    possible = min(validation, test) >= 0 and validation + test < 1  # and neither is NaN
    n_validation, n_test = (round(s * len(ids)) if possible else 0 for s in (validation, test))
    if not possible or n_validation + n_test >= len(ids):
        raise ValueError(
            f"validation {validation} and test {test} leave no train part of {len(ids)} ids; "
            "choose shares that sum to less than 1"
        )
    shuffled = ids[draws.order(generator, len(ids))]
    parts = shuffled.split([len(ids) - n_validation - n_test, n_validation, n_test])
    sizes = " / ".join(str(len(part)) for part in parts)
    return Split(*(part.sort().values for part in parts), how=f"{sizes} at random")
