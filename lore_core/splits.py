"""Which users, or which prompts, are for learning, for choosing and for testing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import checks, draws
from lore_core.tools.ragged import random_places


@dataclass(frozen=True, eq=False)
class Split:
    """Ids of users, or of prompts, in three parts that share none; `how` says how they were drawn.

    For users, `train` are the seen users and `test` the unseen ones; likewise for prompts.
    """

    train: Tensor
    validation: Tensor
    test: Tensor
    how: str

    @property
    def parts(self) -> dict[str, Tensor]:
        """The three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def __post_init__(self) -> None:
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
    for name, given in (("validation", validation), ("test", test)):
        if not isinstance(given, checks.REAL):
            raise ValueError(f"{name} is {given!r}, expected a share in [0, 1)")
    possible = min(validation, test) >= 0 and validation + test < 1  # and neither is NaN
    if len(ids) == 0:
        raise ValueError("there are no ids to split: nobody has a pair, or nobody on these prompts")
    n_validation, n_test = (round(s * len(ids)) if possible else 0 for s in (validation, test))
    if not possible or n_validation + n_test >= len(ids):
        raise ValueError(
            f"validation {validation} and test {test} leave no train part of {len(ids)} ids; "
            "choose shares that sum to less than 1"
        )
    shuffled = ids[draws.order(generator, len(ids))]
    parts = shuffled.split([len(ids) - n_validation - n_test, n_validation, n_test])
    sizes = " / ".join(str(len(part)) for part in parts)
    train, validation_part, test_part = (part.sort().values for part in parts)
    return Split(train=train, validation=validation_part, test=test_part, how=f"{sizes} at random")


def study_prompts(responses: Responses, generator: torch.Generator) -> Split:
    """The prompts of a study: 60 % seen, 10 % validation, 30 % unseen.

    Args:
        responses: of all prompts.
        generator: source of the shuffle.
    """
    return split(responses.prompt.unique(), validation=0.1, test=0.3, generator=generator)


def check_parts(what: str, ids: Split) -> None:
    """Raise a ValueError if a part of a split is empty."""
    empty = [name for name, part in ids.parts.items() if len(part) == 0]
    if empty:
        raise ValueError(
            f"too few {what}: the split {ids.how} leaves none for {' and '.join(empty)}; give more "
            f"{what}, or other shares"
        )


def by_prompts(responses: Responses, pairs: Preferences, prompts: Split) -> dict[str, Preferences]:
    """The pairs whose two responses belong to prompts of one part, part by part.

    Args:
        responses: what is ranked.
        pairs: of any users, who keep their ids.
        prompts: in three parts.
    """
    chosen, rejected = responses.prompt[pairs.chosen], responses.prompt[pairs.rejected]
    return {
        part: pairs.select(torch.isin(chosen, ids) & torch.isin(rejected, ids))
        for part, ids in prompts.parts.items()
    }


def hold_out(
    responses: Responses, pairs: Preferences, share: float, generator: torch.Generator
) -> tuple[Preferences, Preferences]:
    """Pairs on most of each user's prompts to learn from, and pairs on the others to test on.

    A pair between a prompt of either kind is left out. Somebody who would have nothing left to
    learn from keeps every pair.

    Args:
        responses: what is ranked.
        pairs: of N users.
        share: of each user's prompts that is held out, rounded down.
        generator: source of the choice.

    Returns:
        Pairs to learn from and pairs to test on, of the same N users.

    Raises:
        ValueError: the share is not in [0, 1).
    """
    if not 0 <= checks.number("held_out", share) < 1:
        raise ValueError(f"held_out is {share}, expected a share of at least 0 and below 1")
    sides = torch.stack([responses.prompt[pairs.chosen], responses.prompt[pairs.rejected]])
    key = torch.stack([pairs.user.expand_as(sides), sides]).flatten(1)
    question, position = key.unique(dim=1, return_inverse=True)  # a user and a prompt
    places = random_places(question[0], pairs.n_users, generator)
    counts = question[0].bincount(minlength=pairs.n_users)
    kept = counts - (share * counts.double()).long()
    learned = (places < kept[question[0]])[position].view_as(sides)
    mask = learned.all(0)
    known = pairs.user[mask].bincount(minlength=pairs.n_users) > 0
    mask |= ~known[pairs.user]
    return pairs.select(mask), pairs.select(~learned.any(0) & ~mask)
