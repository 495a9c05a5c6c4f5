"""Labels of synthetic users: which prompts they are asked about, and what they answer.

Shapes: N users, T traits, n prompts per user, C candidates per prompt, B pairs.
"""

import torch
from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.simulation.tastes import check_tastes, tie, utilities
from lore_core.tools import checks, draws


def draw_prompts(prompts: Tensor, n_users: int, n: int, generator: torch.Generator) -> Tensor:
    """For each user, n different prompts in random order, (N, n).

    Args:
        prompts: (p,) prompt ids to draw from.
        n_users: N.
        n: prompts per user, at most p.
        generator: source of the draws.

    Returns:
        (N, n) prompt ids, no two alike in a row.

    Raises:
        ValueError: n is negative, or there are fewer prompts than asked for.
    """
    checks.whole_number("n_users", n_users, at_least=1)
    checks.whole_number("prompts per user", n, at_least=0)
    prompts = checks.index_vector("prompts", prompts)
    if len(prompts.unique()) < len(prompts):
        raise ValueError("prompts holds an id twice; give distinct ids: prompts.unique()")
    if n > len(prompts):
        raise ValueError(
            f"asked for {n} different prompts per user, but there are only {len(prompts)} to draw "
            "from; ask for fewer pairs, shots or tests"
        )
    return prompts[draws.uniform(generator, n_users, len(prompts)).argsort(1)[:, :n]]


def best_and_worst(
    responses: Responses, tastes: Tensor, prompts: Tensor, generator: torch.Generator
) -> Preferences:
    """Each user prefers their best candidate of a prompt to their worst one, without noise.

    Args:
        responses: with traits.
        tastes: (N, T).
        prompts: (N, n) the prompts each user is asked about, as from `draw_prompts`.
        generator: breaks ties among equally good candidates.

    Returns:
        N · n pairs, fewer if a user finds all candidates of a prompt equal (`has_preference`).

    Source: the labels of LoRe's PersonalLLM experiment (arXiv 2504.14439).
    """
    user, rows, scores = judged(responses, tastes, prompts, generator)
    best, worst = scores.max(1), scores.min(1)
    differ = best.values - worst.values > tie(responses)
    chosen = rows.gather(1, best.indices[:, None])[differ, 0]
    rejected = rows.gather(1, worst.indices[:, None])[differ, 0]
    return Preferences(user=user[differ], chosen=chosen, rejected=rejected, n_users=len(tastes))


def better_of_two(
    responses: Responses, tastes: Tensor, prompts: Tensor, generator: torch.Generator
) -> Preferences:
    """Each user prefers the better one of two random candidates of a prompt, without noise.

    The second candidate is drawn among those that the user does not find equal to the first.

    Args:
        responses, tastes, prompts: as in `best_and_worst`.
        generator: source of the candidates.

    Returns:
        N · n pairs, fewer if a user finds all candidates of a prompt equal (`has_preference`).
    """
    user, rows, scores = judged(responses, tastes, prompts, generator)
    lead = scores[:, :1] - scores  # (B, C): the first candidate, at random, over each of them
    unequal = lead.abs() > tie(responses)
    other = unequal.to(torch.int8).argmax(1, keepdim=True)  # the first that differs
    wins = lead.gather(1, other) > 0
    both = torch.cat([rows[:, :1], rows.gather(1, other)], 1)  # (B, 2)
    better, worse = torch.where(wins, both, both.flip(1))[unequal.any(1)].T
    return Preferences(
        user=user[unequal.any(1)], chosen=better, rejected=worse, n_users=len(tastes)
    )


def noisy_choices(
    responses: Responses,
    tastes: Tensor,
    prompts: Tensor,
    temperature: float,
    generator: torch.Generator,
) -> Preferences:
    """Each user compares two random candidates of a prompt and chooses by the Bradley–Terry rule.

    Args:
        responses, tastes, prompts: as in `best_and_worst`.
        temperature: τ; P(first over second) = σ(difference of utilities / τ).
        generator: source of the candidates and of the choices.

    Returns:
        N · n pairs.

    Source: Bradley and Terry (1952).
    """
    user, rows = asked(responses, tastes, prompts, generator)
    pairs = Preferences(user=user, chosen=rows[:, 0], rejected=rows[:, 1], n_users=len(tastes))
    return choose(responses, tastes, pairs, temperature, generator)


def choose(
    responses: Responses,
    tastes: Tensor,
    pairs: Preferences,
    temperature: float,
    generator: torch.Generator,
) -> Preferences:
    """Label given pairs by the Bradley–Terry rule; who is chosen is drawn anew.

    Args:
        responses, tastes, temperature, generator: as in `noisy_choices`.
        pairs: B pairs; which of the two stands as chosen does not matter.

    Returns:
        The B pairs, labelled.

    Source: Bradley and Terry (1952).
    """
    probability = choice_probability(responses, tastes, pairs, temperature)
    keeps = draws.uniform(generator, len(pairs)) < probability
    chosen = torch.where(keeps, pairs.chosen, pairs.rejected)
    rejected = torch.where(keeps, pairs.rejected, pairs.chosen)
    return Preferences(user=pairs.user, chosen=chosen, rejected=rejected, n_users=pairs.n_users)


def choice_probability(
    responses: Responses, tastes: Tensor, pairs: Preferences, temperature: float
) -> Tensor:
    """Probability that each user prefers `chosen` to `rejected`: σ(utility gap / τ).

    Args:
        responses, tastes, temperature: as in `noisy_choices`.
        pairs: B pairs.

    Returns:
        (B,), each in (0, 1).

    Raises:
        ValueError: temperature is not positive.
    """
    checks.number("temperature", temperature, above=True)
    pairs.check(responses)
    tastes = check_tastes(responses, tastes)
    if pairs.n_users != len(tastes):
        raise ValueError(f"pairs are of {pairs.n_users} users, but there are {len(tastes)} tastes")
    gap = utilities(responses, tastes, pairs.user, pairs.chosen) - utilities(
        responses, tastes, pairs.user, pairs.rejected
    )
    return (gap / temperature).sigmoid()


def judged(
    responses: Responses, tastes: Tensor, prompts: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """What `asked` returns, and the utility of every candidate for the user asked, (B, C)."""
    user, rows = asked(responses, tastes, prompts, generator)
    scores = [utilities(responses, tastes, user, row) for row in rows.T]
    return user, rows, torch.stack(scores, 1)


def asked(
    responses: Responses, tastes: Tensor, prompts: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """User (B,) and candidate rows in random order (B, C) of every question, B = N · n."""
    tastes = check_tastes(responses, tastes)
    prompts = checks.tensor("prompts", prompts)
    if prompts.ndim != 2 or len(prompts) != len(tastes):
        raise ValueError(
            f"tastes {tuple(tastes.shape)} and prompts {tuple(prompts.shape)} do not fit each "
            "other; expected (N, T) and (N, n)"
        )
    user = torch.arange(len(tastes)).repeat_interleave(prompts.shape[1])
    rows = responses.candidates_of(prompts.flatten())
    if rows.shape[1] < 2:
        raise ValueError("every prompt has a single candidate; users need at least two to compare")
    return user, rows.gather(1, draws.uniform(generator, *rows.shape).argsort(1))
