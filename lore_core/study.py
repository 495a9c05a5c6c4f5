"""An experiment's data: a crowd, its pairs for learning, and four blocks of pairs for testing.

                    seen prompts                        unseen prompts
    seen users      the pool's prompts, other than      prompts that nobody was asked about
    unseen users    those the user learned from         in learning

Learning sees `train` and `shots`. What is chosen (rank, recipe, when to stop) is chosen on
`validation`: seen users on validation prompts, and a third group of users with shots of their own.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.evaluate import accuracy
from lore_core.preferences import Preferences, Responses
from lore_core.reward import LowRankReward
from lore_core.splits import Split, split
from lore_core.users import best_and_worst, dirichlet_tastes, draw_prompts, noisy_choices

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


def draw_study(
    responses: Responses,
    concentration: float,
    n_seen: int,
    n_unseen: int,
    n_pairs: int,
    n_shots: int,
    seed: int,
    n_tests: int = 50,
    temperature: float | None = None,
) -> Study:
    """Draw a crowd, split users and prompts, and ask everybody.

    Args:
        responses: with traits; prompts are split 60 % seen, 10 % validation, 30 % unseen.
        concentration: of the Dirichlet that tastes are drawn from.
        n_seen, n_unseen: users; a fifth as many as unseen, at least 20, serve for choosing.
        n_pairs: training pairs per seen user.
        n_shots: pairs that an unseen user gives.
        seed: of all draws.
        n_tests: test pairs per user and block.
        temperature: None for noise-free best-against-worst labels (the paper's), or the τ of
            Bradley–Terry choices between two random candidates.

    Returns:
        A Study, on the CPU.

    Raises:
        ValueError: there are too few prompts for what is asked.
    """
    if responses.traits is None:
        raise ValueError("these responses have no traits for users to mix; give traits")
    responses = responses.to("cpu")  # where the generator draws
    generator = torch.Generator().manual_seed(seed)
    users = consecutive(n_seen, max(20, n_unseen // 5), n_unseen)
    prompts = split(responses.prompt.unique(), validation=0.1, test=0.3, generator=generator)
    n_users, n_traits = n_seen + len(users.validation) + n_unseen, responses.traits.shape[1]
    tastes = dirichlet_tastes(n_users, n_traits, concentration, generator)
    ask = Survey(responses, tastes, temperature, generator).ask
    n_choice = validation_tests(prompts, n_tests)
    train, seen_seen = ask(users.train, prompts.train, n_pairs, n_tests)
    (validation,) = ask(users.train, prompts.validation, n_choice)
    (seen_unseen,) = ask(users.train, prompts.test, n_tests)
    shots, unseen_seen = ask(users.test, prompts.train, n_shots, n_tests)
    (unseen_unseen,) = ask(users.test, prompts.test, n_tests)
    (choosing_shots,) = ask(users.validation, prompts.train, n_shots)
    (choosing_tests,) = ask(users.validation, prompts.validation, n_choice)
    tests = dict(zip(BLOCKS, (seen_seen, seen_unseen, unseen_seen, unseen_unseen), strict=True))
    learning = train, validation, shots, tests, choosing_shots, choosing_tests
    return Study(responses, users, prompts, tastes, *learning)


@dataclass(frozen=True, eq=False)
class Survey:
    """How users are asked: about which responses, with which tastes, how noisily they answer."""

    responses: Responses
    tastes: Tensor
    temperature: float | None
    generator: torch.Generator

    def ask(self, who: Tensor, pool: Tensor, *sizes: int) -> list[Preferences]:
        """Pairs of users `who`, in parts of so many prompts of `pool` each, no prompt twice."""
        prompts = draw_prompts(pool, len(who), sum(sizes), self.generator)
        return [self.label(self.tastes[who], part) for part in prompts.split(sizes, dim=1)]

    def label(self, tastes: Tensor, prompts: Tensor) -> Preferences:
        """Best against worst, or a noisy choice between two random candidates."""
        if self.temperature is None:
            return best_and_worst(self.responses, tastes, prompts, self.generator)
        return noisy_choices(self.responses, tastes, prompts, self.temperature, self.generator)


def validation_tests(prompts: Split, n_tests: int) -> int:
    """How many validation prompts each user is asked about: at most half of them."""
    if len(prompts.validation) < 2:
        raise ValueError(
            f"the prompts leave {len(prompts.validation)} for validation ({prompts.how}), "
            "expected at least 2; give more prompts"
        )
    return min(n_tests, len(prompts.validation) // 2)


def consecutive(*sizes: int) -> Split:
    """Users 0, 1, ... in three groups of the given sizes (tastes are exchangeable draws)."""
    parts = torch.arange(sum(sizes)).split(list(sizes))
    return Split(
        *parts, how=" / ".join(map(str, sizes)) + " in order; tastes are independent draws"
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
    weights = {"seen": seen, "unseen": unseen}
    return {
        block: accuracy(reward, study.responses, pairs, weights[block.split()[0]])
        for block, pairs in study.tests.items()
    }
