"""A study of synthetic users: a crowd is drawn, split and asked."""

from dataclasses import dataclass

import torch

from lore_core.evaluation.study import BLOCKS, Study
from lore_core.responses import Responses
from lore_core.simulation.survey import Survey, kind_of_pairs
from lore_core.simulation.tastes import dirichlet_tastes
from lore_core.splits import Split, study_prompts
from lore_core.tools import checks, draws


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
    pairs: str | None = None,
) -> Study:
    """Draw a crowd, split users and prompts, and ask everybody.

    Everybody gives as many pairs as asked for; a prompt of which a user finds all candidates equal
    is replaced by another one. Only of validation prompts, which are few, may a user like fewer.

    Args:
        responses: with traits; prompts are split 60 % seen, 10 % validation, 30 % unseen.
        concentration: of the Dirichlet that tastes are drawn from.
        n_seen, n_unseen: users; a fifth as many as unseen, at least 20, serve for choosing.
        n_pairs: training pairs per seen user.
        n_shots: pairs that an unseen user gives.
        seed: of all draws.
        n_tests: test pairs per user and block.
        temperature: None for labels without noise, or the τ of Bradley–Terry choices.
        pairs: "extreme", the best candidate of a prompt against the worst one for this user, or
            "random", two random candidates. Default: extreme without noise (the paper's labels),
            random with noise.

    Returns:
        A Study, on the CPU.

    Raises:
        ValueError: a number is out of range, or there are too few prompts for what is asked.
    """
    checks.whole_numbers(1, n_seen=n_seen, n_unseen=n_unseen, n_pairs=n_pairs, n_tests=n_tests)
    checks.whole_number("n_shots", n_shots, at_least=0)
    checks.instance_of("responses", responses, Responses)
    pairs = kind_of_pairs(pairs, temperature)
    responses = responses.to("cpu")  # where the generator draws
    n_traits = responses.known_traits.shape[1]
    generator = draws.generator(seed)
    users = consecutive(n_seen, max(20, n_unseen // 5), n_unseen)
    prompts = study_prompts(responses, generator)
    n_users = n_seen + len(users.validation) + n_unseen
    tastes = dirichlet_tastes(n_users, n_traits, concentration, generator)
    survey = Survey(
        responses=responses,
        tastes=tastes,
        temperature=temperature,
        pairs=pairs,
        generator=generator,
    )
    return ask(survey, users, prompts, n_pairs=n_pairs, n_shots=n_shots, n_tests=n_tests)


def ask(
    survey: Survey, users: Split, prompts: Split, n_pairs: int, n_shots: int, n_tests: int
) -> Study:
    """Ask everybody everything, in an order that is part of the seed's meaning.

    Args:
        survey: who is asked, and how.
        users, prompts: in three parts each.
        n_pairs, n_shots, n_tests: as in `draw_study`.
    """
    n_choice = validation_questions(prompts, n_tests)
    train, seen_seen = survey.ask(users.train, prompts.train, n_pairs, n_tests)
    validation = survey.ask_up_to(users.train, prompts.validation, n_choice)
    seen_unseen = survey.ask(users.train, prompts.test, n_tests)[0]
    shots, unseen_seen = survey.ask(users.test, prompts.train, n_shots, n_tests)
    unseen_unseen = survey.ask(users.test, prompts.test, n_tests)[0]
    tests = seen_seen, seen_unseen, unseen_seen, unseen_unseen
    return Study(
        responses=survey.responses,
        users=users,
        prompts=prompts,
        tastes=survey.tastes,
        train=train,
        validation=validation,
        shots=shots,
        tests=dict(zip(BLOCKS, tests, strict=True)),
        validation_shots=survey.ask(users.validation, prompts.train, n_shots)[0],
        validation_tests=survey.ask_up_to(users.validation, prompts.validation, n_choice),
    )


@dataclass(frozen=True)
class Crowd:
    """A synthetic crowd to draw a study from, as a benchmark names it.

    Args:
        concentration: of the Dirichlet that tastes are drawn from.
        n_seen, n_unseen: users.
        n_pairs: training pairs per seen user.
        pool: pairs of each unseen user, from which shots are drawn.
        temperature, pairs: how users answer and what they compare, as in `draw_study`.
    """

    concentration: float
    n_seen: int
    n_unseen: int
    n_pairs: int
    pool: int
    temperature: float | None = None
    pairs: str | None = None

    def __post_init__(self) -> None:
        checks.number("concentration", self.concentration, above=True)
        checks.whole_numbers(1, n_seen=self.n_seen, n_unseen=self.n_unseen)
        checks.whole_numbers(1, n_pairs=self.n_pairs, pool=self.pool)
        kind_of_pairs(self.pairs, self.temperature)

    def study(self, responses: Responses, seed: int) -> Study:
        """The crowd and its pairs."""
        return draw_study(
            responses,
            concentration=self.concentration,
            n_seen=self.n_seen,
            n_unseen=self.n_unseen,
            n_pairs=self.n_pairs,
            n_shots=self.pool,
            seed=seed,
            temperature=self.temperature,
            pairs=self.pairs,
        )


def validation_questions(prompts: Split, n_tests: int) -> int:
    """How many validation prompts each user is asked about: at most half of them."""
    if len(prompts.validation) < 2:
        raise ValueError(
            f"the prompts leave {len(prompts.validation)} for validation ({prompts.how}), "
            "expected at least 2; give more prompts"
        )
    return min(n_tests, len(prompts.validation) // 2)


def consecutive(*sizes: int) -> Split:
    """Users 0, 1, ... in three groups of the given sizes (tastes are exchangeable draws)."""
    train, validation, test = torch.arange(sum(sizes)).split(list(sizes))
    how = " / ".join(map(str, sizes)) + " in order; tastes are independent draws"
    return Split(train=train, validation=validation, test=test, how=how)
