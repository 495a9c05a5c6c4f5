"""A study of synthetic users: a crowd is drawn, split and asked."""

import torch

from lore_core.evaluation.study import BLOCKS, Study
from lore_core.responses import Responses
from lore_core.simulation.survey import Survey
from lore_core.simulation.tastes import dirichlet_tastes
from lore_core.splits import Split, split
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
