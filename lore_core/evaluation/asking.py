"""Asking new users pair by pair: what is known of them, and what it is worth on new prompts.

In each step a pool of pairs is drawn, a policy chooses one pair for each user, and the user's true
taste answers. No pair is in two pools, so nobody is asked the same twice. Everybody's luck and all
pools depend on the seed alone: two policies are compared on the same draws.

Pairs are two candidates of a prompt of the study's seen prompts. Tests are the study's: pairs of
unseen prompts.

Shapes: N new users, n questions, Q pairs in a pool, K basis rewards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from lore_core.decisions.cloud import Cloud
from lore_core.decisions.posterior import Posterior, prior
from lore_core.decisions.questions import Policy
from lore_core.evaluation.study import UNSEEN, Study
from lore_core.few_shot import fit_weights
from lore_core.preferences import Preferences
from lore_core.recipes import FEW_SHOT
from lore_core.responses import centred
from lore_core.reward import LowRankReward
from lore_core.scores import pair_margins
from lore_core.simulation.habits import Habit
from lore_core.simulation.tastes import tie
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
        texts: (n + 1,) texts that a user has read.
        posterior: of all users at the end, where there is one.
    """

    accuracy: Tensor
    weights: Tensor
    asked: Tensor
    texts: list[int]
    posterior: Posterior | None = None


@dataclass(frozen=True, eq=False)
class World:
    """New users of a study with tastes, and a reward learned from its seen users.

    Args:
        study: of synthetic users; its unseen users are asked.
        reward: fitted on its training pairs.

    Raises:
        ValueError: the study is of real people, who have no tastes to answer by.
    """

    study: Study
    reward: LowRankReward

    def __post_init__(self) -> None:
        checks.instance_of("study", self.study, Study)
        checks.instance_of("reward", self.reward, LowRankReward)
        if self.study.tastes is None or self.study.responses.traits is None:
            raise ValueError(
                "this study has no tastes: questions need users who can answer any of them; give "
                "a study of synthetic users"
            )

    @cached_property
    def scores(self) -> Tensor:
        """S, (M, K) float64, of every response; what all have in common is taken out."""
        return self.reward.basis_scores(centred(self.study.responses.embeddings)).double()

    @cached_property
    def utility(self) -> Tensor:
        """How much every new user likes every response, (N, M)."""
        assert self.study.tastes is not None  # checked at the door
        tastes = self.study.tastes[self.study.users.test].double()
        return tastes @ self.study.responses.known_traits.double().T

    @property
    def n_users(self) -> int:
        """N."""
        return len(self.study.users.test)

    @property
    def tie(self) -> float:
        """A difference of utilities that is none."""
        return tie(self.study.responses)

    def lead(self, asked: Tensor) -> Tensor:
        """By how much each user likes the first of their pair (N, 2) better, (N,)."""
        first, second = self.utility.gather(1, asked).T
        return first - second

    def gaps(self, asked: Tensor) -> Tensor:
        """Basis scores of the first minus those of the second of pairs (Q, 2), (Q, K)."""
        return self.scores[asked[:, 0]] - self.scores[asked[:, 1]]

    @cached_property
    def test_gaps(self) -> Tensor:
        """Of the tests, (B, K)."""
        tests = self.study.tests[UNSEEN]
        return self.gaps(torch.stack([tests.chosen, tests.rejected], 1))

    def accuracy(self, weights: Tensor) -> Tensor:
        """Of new users' weights (N, K) on the tests, (N,)."""
        tests = self.study.tests[UNSEEN]
        return tests.share_won(pair_margins(self.test_gaps, weights.double(), tests.user))

    def prior(self, interview: Interview, generator: torch.Generator) -> Posterior:
        """What is known before the first question."""
        n, tau = interview.n_particles, interview.temperature
        return prior(self.reward.weights, self.n_users, n, generator, tau)


def pairs_within_prompts(world: World) -> Tensor:
    """Every two candidates of a seen prompt, (pairs, 2) rows."""
    candidates = world.study.responses.candidates_of(world.study.prompts.train)
    return candidates[:, torch.combinations(torch.arange(candidates.shape[1]))].flatten(0, 1)


def pools(world: World, interview: Interview, generator: torch.Generator) -> Tensor:
    """Pairs for every step, none of them twice, (n, Q, 2) rows; who stands first is random.

    Raises:
        ValueError: there are too few pairs.
    """
    pairs = pairs_within_prompts(world)
    needed = interview.n_questions * interview.pool
    if needed > len(pairs):
        raise ValueError(
            f"{interview.n_questions} questions from {interview.pool} fresh pairs each need "
            f"{needed} pairs, but the seen prompts have {len(pairs)}; ask less, or from fewer"
        )
    drawn = pairs[draws.order(generator, len(pairs))[:needed]]
    turned = draws.uniform(generator, needed) < 0.5
    drawn = torch.where(turned[:, None], drawn.flip(1), drawn)
    return drawn.view(interview.n_questions, interview.pool, 2)


def ask(world: World, policy: Policy, interview: Interview, seed: int) -> Told:
    """Ask all new users of a world, each question as the policy chooses.

    Args:
        world: who is asked.
        policy: see `decisions/questions.py`.
        interview: how they are asked.
        seed: of pools, luck, particles and the policy's own draws.

    Raises:
        ValueError: there are too few pairs for so many questions.
    """
    generator = draws.generator(seed)
    choices = pools(world, interview, generator)
    luck = draws.uniform(generator, interview.n_questions, world.n_users)
    known = world.prior(interview, generator)
    clouds, asked = [known.mean], []
    for pool, lucky in zip(choices, luck, strict=True):
        gaps = world.gaps(pool)
        picked = policy(known, gaps.float(), generator)
        asked.append(pool[picked])
        answers = interview.habit.answers(world.lead(pool[picked]), lucky, world.tie)
        known = known.update(gaps[picked], answers, generator)
        clouds.append(known.mean)
    return told(world, clouds, asked, READ, known)


def told(
    world: World, weights: list[Tensor], asked: list[Tensor], read: int, known: Cloud | None = None
) -> Told:
    """What came of it: every weight is tested."""
    rows = torch.stack(asked) if asked else torch.empty(0, world.n_users, 2, dtype=torch.long)
    return Told(
        accuracy=torch.stack([world.accuracy(some) for some in weights]),
        weights=torch.stack(weights),
        asked=rows,
        texts=[read * step for step in range(len(weights))],
        posterior=known if isinstance(known, Posterior) else None,
    )


def best_and_worst(world: World, interview: Interview, seed: int) -> Told:
    """The questions of lessons 2 to 6: show all candidates of a prompt, ask for best and worst.

    What a user answers is the study's shots, each of them turned where the habit errs; what is made
    of them is `fit_weights`.

    Args:
        world: whose users have at least n shots in the study.
        interview: pool and particles are of no use here.
        seed: of the order of the prompts, and of the users' luck.

    Raises:
        ValueError: a user has fewer shots.
    """
    generator = draws.generator(seed)
    shots = in_order(world.study.shots, interview.n_questions, generator)
    asked = torch.stack([shots.chosen, shots.rejected], 1)
    asked = asked.view(world.n_users, interview.n_questions, 2)
    user = torch.arange(world.n_users)[:, None].expand(-1, interview.n_questions).flatten()
    utility = world.utility[user[:, None], asked.flatten(0, 1)]
    luck = draws.uniform(generator, len(user))
    right = interview.habit.answers(utility[:, 0] - utility[:, 1], luck, world.tie)
    given = turned(shots, ~right)
    recipe = replace(FEW_SHOT, temperature=interview.temperature)
    place = torch.arange(interview.n_questions).repeat(world.n_users)
    weights = [
        fit_weights(world.reward, world.study.responses, given.select(place < n), recipe)
        for n in range(interview.n_questions + 1)
    ]
    read = world.study.responses.candidates.shape[1]
    return told(world, weights, list(asked.transpose(0, 1)), read)


def in_order(shots: Preferences, n: int, generator: torch.Generator) -> Preferences:
    """Every user's first n pairs of a random order, sorted by user."""
    if int(shots.counts.min()) < n:
        raise ValueError(
            f"a user has {int(shots.counts.min())} shots, but {n} questions are to be asked; draw "
            "the study with more"
        )
    kept = shots.subsample(n, generator)
    return kept.select(kept.user.argsort(stable=True))


def turned(pairs: Preferences, wrong: Tensor) -> Preferences:
    """The pairs, some of them answered the other way round."""
    return replace(
        pairs,
        chosen=torch.where(wrong, pairs.rejected, pairs.chosen),
        rejected=torch.where(wrong, pairs.chosen, pairs.rejected),
    )


def known_weights(world: World) -> Tensor:
    """As good as knowing w: fitted to all of the study's shots, without noise, (N, K)."""
    return fit_weights(world.reward, world.study.responses, world.study.shots)


def questions_needed(curve: list[float], goal: float) -> int | None:
    """After how many questions a curve is first at its goal; None if it never is.

    Args:
        curve: accuracy before the first question and after each.
        goal: the accuracy to reach.
    """
    return next((n for n, reached in enumerate(curve) if reached >= goal), None)
