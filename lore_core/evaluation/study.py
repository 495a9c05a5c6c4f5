"""An experiment's data: a crowd, its pairs for learning, and four blocks of pairs for testing.

                    seen prompts                        unseen prompts
    seen users      the pool's prompts, other than      prompts that nobody was asked about
    unseen users    those the user learned from         in learning

Learning sees `train` and `shots`. What is chosen (rank, recipe, when to stop) is chosen on
`validation`: seen users on validation prompts, and a third group of users with shots of their own.
"""

from dataclasses import dataclass

from torch import Tensor

from lore_core.evaluation.accuracy import accuracy
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.splits import Split
from lore_core.tools import checks

BLOCKS = (
    "seen users, seen prompts",
    "seen users, unseen prompts",
    "unseen users, seen prompts",
    "unseen users, unseen prompts",
)


@dataclass(frozen=True, eq=False)
class Study:
    """A crowd on some responses, with everything that learning and testing may see.

    Args:
        responses: what is ranked.
        users, prompts: who and what is seen (train), for choosing (validation), unseen (test).
        tastes: (N, T) of all users, for looking at only.
        train, validation: pairs of the seen users, numbered as in `users.train`.
        shots: the few pairs of the unseen users, numbered as in `users.test`.
        tests: block name -> pairs, in the order of `BLOCKS`.
        validation_shots, validation_tests: likewise for the users of `users.validation`, on seen
            prompts and validation prompts.
    """

    responses: Responses
    users: Split
    prompts: Split
    tastes: Tensor
    train: Preferences
    validation: Preferences
    shots: Preferences
    tests: dict[str, Preferences]
    validation_shots: Preferences
    validation_tests: Preferences


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
        who: checks.simplex_rows(f"weights of {who} users", given)
        for who, given in (("seen", seen), ("unseen", unseen))
    }
    return {
        block: accuracy(reward, study.responses, pairs, weights[block.split()[0]])
        for block, pairs in study.tests.items()
    }
