"""Asking new users pair by pair: what is known of them, and what it is worth on new prompts.

In each step a pool of pairs is drawn, a policy chooses one pair for each user, and the user's true
taste answers. No pair is in two pools, so nobody is asked the same twice. Pools and everybody's
luck depend on the seed alone: two policies are compared on the same draws.

Shapes: N new users, n questions, Q pairs in a pool, K basis rewards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lore_core.decisions.posterior import Posterior, prior
from lore_core.decisions.questions import Policy
from lore_core.evaluation.newcomers import Newcomers, turned
from lore_core.few_shot import fit_weights
from lore_core.preferences import Preferences
from lore_core.recipes import FEW_SHOT
from lore_core.simulation.habits import Habit
from lore_core.tools import checks, draws

READ = 2  # texts in a pair


@dataclass(frozen=True)
class Interview:
    """How new users are asked.

    Args:
        n_questions: n.
        pool: Q, pairs drawn for each step.
        n_particles: of the posterior.
        temperature: τ of the posterior, in units of the reward's margins.
        habit: how users answer.
    """

    n_questions: int = 10
    pool: int = 400
    n_particles: int = 1000
    temperature: float = 1.0
    habit: Habit = Habit()

    def __post_init__(self) -> None:
        checks.whole_numbers(1, pool=self.pool, n_particles=self.n_particles)
        checks.whole_number("n_questions", self.n_questions, at_least=0)
        checks.number("temperature", self.temperature, above=True)
        checks.instance_of("habit", self.habit, Habit)


@dataclass(frozen=True, eq=False)
class Told:
    """What came of an interview.

    Args:
        accuracy: (n + 1, N) on the tests, before the first answer and after each.
        weights: (n + 1, N, K) taken for the users' weights.
        asked: (n, N, 2) rows of the responses that were compared, the first and the second.
        texts: n + 1 numbers of texts that a user has read.
        posterior: of all users at the end, where there is one.
    """

    accuracy: Tensor
    weights: Tensor
    asked: Tensor
    texts: list[int]
    posterior: Posterior | None = None


def ask(users: Newcomers, policy: Policy, interview: Interview, seed: int) -> Told:
    """Ask all new users, each question as the policy chooses.

    Args:
        users: who is asked.
        policy: see `decisions/questions.py`.
        interview: how they are asked.
        seed: of pools, luck, particles and the policy's own draws.

    Raises:
        ValueError: there are too few pairs for so many questions.
    """
    checks.instance_of("users", users, Newcomers)
    generator = draws.generator(seed)
    choices = pools(users, interview, generator)
    luck = draws.uniform(generator, interview.n_questions, users.n_users)
    known = before(users, interview, generator)
    means, asked = [known.mean], torch.empty(interview.n_questions, users.n_users, 2).long()
    for step, pool in enumerate(choices):
        gaps = users.gaps(pool)
        picked = policy(known, gaps.float(), generator)
        asked[step] = pool[picked]
        first = interview.habit.answers(users.lead(asked[step]), luck[step], users.tie)
        known = known.update(gaps[picked], first, generator)
        means.append(known.mean)
    return replace(told(users, means, asked, READ), posterior=known)


def pools(users: Newcomers, interview: Interview, generator: torch.Generator) -> Tensor:
    """Pairs for every step, none of them twice, (n, Q, 2) rows; which one is first is random.

    Raises:
        ValueError: there are too few pairs.
    """
    needed = interview.n_questions * interview.pool
    if needed > len(users.pairs):
        raise ValueError(
            f"{interview.n_questions} questions from {interview.pool} fresh pairs each need "
            f"{needed} pairs, but the seen prompts have {len(users.pairs)}; ask less, or from fewer"
        )
    drawn = users.pairs[draws.order(generator, len(users.pairs))[:needed]]
    swap = draws.uniform(generator, needed) < 0.5
    drawn = torch.where(swap[:, None], drawn.flip(1), drawn)
    return drawn.view(interview.n_questions, interview.pool, 2)


def before(users: Newcomers, interview: Interview, generator: torch.Generator) -> Posterior:
    """What is known before the first question."""
    return prior(
        seen=users.reward.weights,
        n_users=users.n_users,
        n=interview.n_particles,
        generator=generator,
        temperature=interview.temperature,
    )


def told(users: Newcomers, weights: list[Tensor], asked: Tensor, read: int) -> Told:
    """What came of it: the weights after every answer are tested."""
    return Told(
        accuracy=torch.stack([users.accuracy(some) for some in weights]),
        weights=torch.stack(weights),
        asked=asked,
        texts=[read * step for step in range(len(weights))],
    )


def best_and_worst(users: Newcomers, interview: Interview, seed: int) -> Told:
    """The questions of lessons 2 to 6: show all candidates of a prompt, ask for best and worst.

    What a user answers is the study's shots, each of them turned where the habit errs; what is made
    of them is `fit_weights`.

    Args:
        users: who have at least n shots each.
        interview: pool and particles are of no use here.
        seed: of the order of the prompts, and of the users' luck.

    Raises:
        ValueError: a user has fewer shots.
    """
    checks.instance_of("users", users, Newcomers)
    generator, n = draws.generator(seed), interview.n_questions
    shots = in_order(users.study.shots, n, generator)
    given = misread(users, shots, interview.habit, generator)
    place = torch.arange(n).repeat(users.n_users)
    recipe = replace(FEW_SHOT, temperature=interview.temperature)
    weights = [
        fit_weights(users.reward, users.study.responses, given.select(place < step), recipe)
        for step in range(n + 1)
    ]
    asked = torch.stack([shots.chosen, shots.rejected], 1).view(users.n_users, n, 2)
    read = users.study.responses.candidates.shape[1]
    return told(users, weights, asked.transpose(0, 1), read)


def in_order(shots: Preferences, n: int, generator: torch.Generator) -> Preferences:
    """Every user's first n pairs of a random order, sorted by user."""
    if int(shots.counts.min()) < n:
        raise ValueError(
            f"a user has {int(shots.counts.min())} shots, but {n} questions are to be asked; draw "
            "the study with more"
        )
    kept = shots.select(shots.random_places(generator) < n)
    return kept.select(kept.user.argsort(stable=True))


def misread(
    users: Newcomers, pairs: Preferences, habit: Habit, generator: torch.Generator
) -> Preferences:
    """The pairs as users of this habit answer them."""
    liked = [users.utility[pairs.user, rows] for rows in (pairs.chosen, pairs.rejected)]
    return turned(pairs, ~habit.draw(liked[0] - liked[1], generator, users.tie))


def questions_needed(curve: list[float], goal: float) -> int | None:
    """After how many questions a curve is first at its goal; None if it never is.

    Args:
        curve: accuracy before the first question and after each.
        goal: the accuracy to reach.
    """
    return next((n for n, reached in enumerate(curve) if reached >= goal), None)
