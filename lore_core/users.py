"""Synthetic crowds: users whose true tastes are known.

A taste is a point on the simplex: how much weight a user gives to each trait of the responses.
The utility of response x for user u is  traits(x) · taste_u.  No learner sees traits or tastes.

Shapes: N users, T traits, n prompts per user, C candidates per prompt.
"""

import numpy as np
import torch
from torch import Tensor

from lore_core import checks, draws
from lore_core.preferences import Preferences, Responses

TIE = 1e-9  # of the largest trait: utilities that differ by less differ by rounding


def dirichlet_tastes(
    n_users: int, n_traits: int, concentration: float, generator: torch.Generator
) -> Tensor:
    """Draw tastes from a symmetric Dirichlet distribution.

    Args:
        n_users: N.
        n_traits: T.
        concentration: α; a small one makes specialists, a large one makes everybody alike.
        generator: source of the draws.

    Returns:
        (N, T) float64, rows on the simplex.

    Raises:
        ValueError: concentration is not positive.

    Source: crowds of LoRe (arXiv 2504.14439), PersonalLLM experiment.
    """
    checks.number("concentration", concentration, above=True)
    checks.whole_numbers(1, n_users=n_users, n_traits=n_traits)
    checks.kind("generator", generator, torch.Generator)
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    tastes = torch.from_numpy(rng.dirichlet([concentration] * n_traits, size=n_users))
    if not (tastes.sum(1) - 1).abs().max() < 1e-9:  # nor NaN
        raise ValueError(f"concentration {concentration:g} is beyond what numbers can hold")
    return tastes


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


def has_preference(responses: Responses, tastes: Tensor) -> Tensor:
    """Whether a user finds the best candidate of a prompt better than the worst one, (N, P).

    Somebody who only cares about lists finds eight responses without one equal.

    Args:
        responses: with traits; columns of the answer are in the order of their distinct prompts.
        tastes: (N, T).
    """
    tastes = check_tastes(responses, tastes)
    rows, traits, spread = responses.candidates, responses.traits.double(), []
    for some in tastes.split(responses.embeddings.shape[1]):  # no table larger than the embeddings
        scores = (traits @ some.T)[rows]  # (P, C, n)
        spread.append((scores.amax(1) - scores.amin(1)).T > tie(responses))
    return torch.cat(spread)


def utilities(responses: Responses, tastes: Tensor, user: Tensor, rows: Tensor) -> Tensor:
    """True utility of given responses for given users: traits[rows] · tastes[user].

    Args:
        responses: with traits.
        tastes: (N, T).
        user, rows: (B,) user ids and row numbers.

    Returns:
        (B,).
    """
    return (responses.traits[rows].double() * tastes[user].double()).sum(-1)


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
    user, rows = asked(responses, tastes, prompts, generator)
    scores = torch.stack([utilities(responses, tastes, user, row) for row in rows.T], 1)  # (B, C)
    best, worst = scores.max(1), scores.min(1)
    differ = best.values - worst.values > tie(responses)
    chosen = rows.gather(1, best.indices[:, None])[differ, 0]
    rejected = rows.gather(1, worst.indices[:, None])[differ, 0]
    return Preferences(user[differ], chosen, rejected, len(tastes))


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
    pairs = Preferences(user, rows[:, 0], rows[:, 1], len(tastes))
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
    return Preferences(pairs.user, chosen, rejected, pairs.n_users)


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


def tie(responses: Responses) -> float:
    """The largest difference between utilities that is none."""
    return TIE * float(responses.traits.abs().max())


def check_tastes(responses: Responses, tastes: Tensor) -> Tensor:
    """Tastes in float64, or a ValueError unless they hold a number for each user and trait."""
    checks.kind("responses", responses, Responses)
    if responses.traits is None:
        raise ValueError("these responses have no traits, so users cannot score them; give traits")
    tastes = checks.float_matrix("tastes", tastes)
    if tastes.shape[1] != responses.traits.shape[1]:
        raise ValueError(
            f"tastes have shape {tuple(tastes.shape)} and do not fit "
            f"{responses.traits.shape[1]} traits; expected (N, T)"
        )
    return tastes.double()


def planted_responses(
    n_prompts: int, n_candidates: int, d: int, rank: int, generator: torch.Generator
) -> tuple[Responses, Tensor]:
    """Random embeddings whose traits are exactly linear in them: a world where the truth is known.

    Args:
        n_prompts, n_candidates: P and C; M = P · C responses.
        d: features, standard normal.
        rank: number of traits, K; their directions are orthonormal.
        generator: source of the draws.

    Returns:
        The responses (a prompt's own embedding is the mean of its candidates'), and the true basis
        (d, K).

    Raises:
        ValueError: a size is not a whole number of at least 1, or rank is above d.
    """
    checks.whole_numbers(1, n_prompts=n_prompts, n_candidates=n_candidates, d=d, rank=rank)
    if rank > d:
        raise ValueError(f"rank is {rank}, expected at most d = {d}: directions are orthonormal")
    embeddings = draws.normal(generator, n_prompts * n_candidates, d)
    truth = torch.linalg.qr(draws.normal(generator, d, rank)).Q
    prompt = torch.arange(n_prompts).repeat_interleave(n_candidates)
    names = tuple(f"trait {k + 1}" for k in range(rank))
    alone = embeddings.view(n_prompts, n_candidates, d).mean(1)
    return Responses(embeddings, prompt, embeddings @ truth, names, alone), truth
