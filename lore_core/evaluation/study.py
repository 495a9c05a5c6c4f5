"""An experiment's data: pairs for learning, and four blocks of pairs for testing.

                    seen prompts                        unseen prompts
    seen users      the pool's prompts, other than      prompts that nobody was asked about
    unseen users    those the user learned from         in learning

Learning sees `train` and `shots`. What is chosen (rank, recipe, when to stop) is chosen on
`validation`: seen users on validation prompts, and a third group of users with shots of their own.

`Study.of` makes a study of real people; `synthetic.draw_study` draws one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.evaluation.accuracy import accuracy
from lore_core.preferences import Preferences, check_world
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.splits import Split, by_prompts, check_parts, hold_out, split
from lore_core.tools import checks, draws

SEEN = "seen users, unseen prompts"
UNSEEN = "unseen users, unseen prompts"
BLOCKS = (
    "seen users, seen prompts",
    SEEN,
    "unseen users, seen prompts",
    UNSEEN,
)


@dataclass(frozen=True, eq=False)
class Study:
    """Users on some responses, with everything that learning and testing may see.

    Args:
        responses: what is ranked.
        users, prompts: who and what is seen (train), for choosing (validation), unseen (test).
        train, validation: pairs of the seen users, numbered as in `users.train`.
        shots: pairs of the unseen users, numbered as in `users.test`, from which they are known.
        tests: block name -> pairs, in the order of `BLOCKS`.
        validation_shots, validation_tests: likewise for the users of `users.validation`, on seen
            prompts and validation prompts.
        tastes: (N, T) of all synthetic users, for looking at only; real people have none.
    """

    responses: Responses
    users: Split
    prompts: Split
    train: Preferences
    validation: Preferences
    shots: Preferences
    tests: dict[str, Preferences]
    validation_shots: Preferences
    validation_tests: Preferences
    tastes: Tensor | None = None

    @classmethod
    def of(
        cls,
        responses: Responses,
        preferences: Preferences,
        seed: int,
        *,
        validation: float = 0.1,
        test: float = 0.3,
        held_out: float = 0.2,
    ) -> Study:
        """A study of real people, from the preferences that they gave.

        People may have given few pairs or many. Prompts are split at random, and then the people
        who have a pair on those for learning; of others nothing can be known. A pair whose two
        responses belong to different parts of the prompts is left out.

        Args:
            responses: what is ranked; traits are not needed.
            preferences: pairs of all users.
            seed: of the splits.
            validation, test: shares of the prompts that somebody was asked about, and of the users.
            held_out: share of each user's seen prompts that tests the user on seen prompts.

        Returns:
            A Study, on the CPU, in which everybody has a pair to learn from.

        Raises:
            ValueError: a part is left without pairs, or a share is out of range.
        """
        check_world(responses, preferences)
        responses, preferences = responses.to("cpu"), preferences.to("cpu")
        generator = draws.generator(seed)
        asked = responses.prompt[torch.cat([preferences.chosen, preferences.rejected])].unique()
        prompts = split(asked, validation, test, generator)
        check_parts("prompts", prompts)
        people = by_prompts(responses, preferences, prompts)["train"].user.unique()
        users = split(people, validation, test, generator)
        check_parts("users", users)
        seen, choosing, new = (
            by_prompts(responses, preferences.of_users(ids), prompts)
            for ids in users.parts.values()
        )
        train, seen_tests = hold_out(responses, seen["train"], held_out, generator)
        shots, new_tests = hold_out(responses, new["train"], held_out, generator)
        tests = seen_tests, seen["test"], new_tests, new["test"]
        study = cls(
            responses=responses,
            users=users,
            prompts=prompts,
            train=train,
            validation=seen["validation"],
            shots=shots,
            tests=dict(zip(BLOCKS, tests, strict=True)),
            validation_shots=choosing["train"],
            validation_tests=choosing["validation"],
        )
        check_no_part_is_empty(study)
        return study


def check_no_part_is_empty(study: Study) -> None:
    """Raise a ValueError unless there are pairs to learn from, to choose on and to test on."""
    parts = {
        "training": study.train,
        "validation": study.validation,
        "shots of unseen users": study.shots,
        "shots of validation users": study.validation_shots,
        "tests of validation users": study.validation_tests,
        SEEN: study.tests[SEEN],
        UNSEEN: study.tests[UNSEEN],
    }
    empty = [name for name, pairs in parts.items() if len(pairs) == 0]
    if empty:
        raise ValueError(
            f"no pairs are left for {', '.join(empty)} (users {study.users.how}; prompts "
            f"{study.prompts.how}); give more users, more prompts, or other shares"
        )


def four_blocks(
    study: Study, reward: LowRankReward, seen: Tensor, unseen: Tensor
) -> dict[str, Tensor]:
    """Accuracy of every user in each block.

    Args:
        study: the test pairs.
        reward: a fitted reward.
        seen, unseen: weights of the seen (N, K) and of the unseen users (N', K).

    Returns:
        {block: (N,) or (N',)}, blocks in the order of `BLOCKS`.
    """
    weights = {
        "seen": checks.simplex_rows("weights of seen users", seen),
        "unseen": checks.simplex_rows("weights of unseen users", unseen),
    }
    return {
        block: accuracy(reward, study.responses, pairs, weights[block.split()[0]])
        for block, pairs in study.tests.items()
    }
