"""An experiment's data: a crowd, its pairs for learning, and four blocks of pairs for testing.

                    seen prompts                        unseen prompts
    seen users      the pool's prompts, other than      prompts that nobody was asked about
    unseen users    those the user learned from         in learning

Learning sees `train` and `shots`. What is chosen (rank, recipe, when to stop) is chosen on
`validation`: seen users on validation prompts, and a third group of users with shots of their own.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lore_core import checks, draws
from lore_core.evaluate import accuracy
from lore_core.preferences import Preferences, Responses
from lore_core.reward import LowRankReward
from lore_core.splits import Split, split
from lore_core.users import (
    best_and_worst,
    dirichlet_tastes,
    draw_prompts,
    has_preference,
    noisy_choices,
)

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

    Everybody gives as many pairs as asked for; a prompt of which a user finds all candidates equal
    is replaced by another one. Only of validation prompts, which are few, may a user like fewer.

    Returns:
        A Study, on the CPU.

    Raises:
        ValueError: a number is out of range, or there are too few prompts for what is asked.
    """
    checks.whole_numbers(1, n_seen=n_seen, n_unseen=n_unseen, n_pairs=n_pairs, n_tests=n_tests)
    checks.whole_number("n_shots", n_shots, at_least=0)
    checks.kind("responses", responses, Responses)
    if responses.traits is None:
        raise ValueError("these responses have no traits for users to mix; give traits")
    responses = responses.to("cpu")  # where the generator draws
    generator = draws.generator(seed)
    users = consecutive(n_seen, max(20, n_unseen // 5), n_unseen)
    prompts = split(responses.prompt.unique(), validation=0.1, test=0.3, generator=generator)
    n_users, n_traits = n_seen + len(users.validation) + n_unseen, responses.traits.shape[1]
    tastes = dirichlet_tastes(n_users, n_traits, concentration, generator)
    survey = Survey(responses, tastes, temperature, generator)
    ask, n_choice = survey.ask, validation_tests(prompts, n_tests)
    train, seen_seen = ask(users.train, prompts.train, n_pairs, n_tests)
    validation = survey.ask_up_to(users.train, prompts.validation, n_choice)
    (seen_unseen,) = ask(users.train, prompts.test, n_tests)
    shots, unseen_seen = ask(users.test, prompts.train, n_shots, n_tests)
    (unseen_unseen,) = ask(users.test, prompts.test, n_tests)
    (choosing_shots,) = ask(users.validation, prompts.train, n_shots)
    choosing_tests = survey.ask_up_to(users.validation, prompts.validation, n_choice)
    blocks = seen_seen, seen_unseen, unseen_seen, unseen_unseen
    return Study(
        responses=responses,
        users=users,
        prompts=prompts,
        tastes=tastes,
        train=train,
        validation=validation,
        shots=shots,
        tests=dict(zip(BLOCKS, blocks, strict=True)),
        validation_shots=choosing_shots,
        validation_tests=choosing_tests,
    )


@dataclass(frozen=True, eq=False)
class Survey:
    """How users are asked: about which responses, with which tastes, how noisily they answer."""

    responses: Responses
    tastes: Tensor
    temperature: float | None
    generator: torch.Generator

    def ask(self, who: Tensor, pool: Tensor, *sizes: int) -> list[Preferences]:
        """Pairs of users `who`, in parts of so many prompts of `pool` each, no prompt twice.

        Raises:
            ValueError: somebody has a preference among the candidates of too few prompts.
        """
        prompts = self.draw(who, pool, sum(sizes))
        parts = [self.label(self.tastes[who], part) for part in prompts.split(sizes, dim=1)]
        for pairs, size in zip(parts, sizes, strict=True):
            check_complete(pairs, size, len(pool))
        return parts

    def ask_up_to(self, who: Tensor, pool: Tensor, n: int) -> Preferences:
        """The same for one part, but whoever finds too many prompts undecided gives fewer pairs."""
        return self.label(self.tastes[who], self.draw(who, pool, n))

    def draw(self, who: Tensor, pool: Tensor, n: int) -> Tensor:
        """For each user n prompts of `pool` in random order, (N, n), the undecided ones last."""
        if self.temperature is not None or n > len(pool):  # noisy choices are never undecided
            return draw_prompts(pool, len(who), n, self.generator)
        prompts = draw_prompts(pool, len(who), len(pool), self.generator)
        column = torch.searchsorted(self.responses.prompt.unique(), prompts)
        decided = self.decided[who].gather(1, column)
        last = decided.logical_not().to(torch.int8).argsort(dim=1, stable=True)
        return prompts.gather(1, last)[:, :n]

    @cached_property
    def decided(self) -> Tensor:
        """Which users prefer something among which prompt's candidates, (N, P)."""
        return has_preference(self.responses, self.tastes)

    def label(self, tastes: Tensor, prompts: Tensor) -> Preferences:
        """Best against worst, or a noisy choice between two random candidates."""
        if self.temperature is None:
            return best_and_worst(self.responses, tastes, prompts, self.generator)
        return noisy_choices(self.responses, tastes, prompts, self.temperature, self.generator)


def check_complete(pairs: Preferences, n: int, n_prompts: int) -> None:
    """Raise a ValueError unless every user has n pairs."""
    short = (pairs.counts < n).nonzero().flatten()
    if len(short):
        raise ValueError(
            f"{len(short)} of {pairs.n_users} users have fewer than {n} pairs, the first one "
            f"{int(pairs.counts[short[0]])}: they find all candidates of too many of the "
            f"{n_prompts} prompts equal; ask for fewer pairs, or a crowd of higher concentration"
        )


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
    weights = {
        who: checks.simplex_rows(f"weights of {who} users", given)
        for who, given in (("seen", seen), ("unseen", unseen))
    }
    return {
        block: accuracy(reward, study.responses, pairs, weights[block.split()[0]])
        for block, pairs in study.tests.items()
    }
