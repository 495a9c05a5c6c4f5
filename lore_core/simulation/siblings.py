"""Pairs that share a response: a favourite among several gives a pair with each of the others.

Shapes: N users, T traits, n prompts per user, C candidates asked about.
"""

import torch
from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.simulation.labels import asked
from lore_core.simulation.tastes import utilities
from lore_core.tools import checks, draws


def favourites(
    responses: Responses,
    tastes: Tensor,
    prompts: Tensor,
    n_candidates: int,
    temperature: float,
    generator: torch.Generator,
) -> Preferences:
    """Each user names a favourite among several candidates of a prompt, with some noise.

    Args:
        responses: with traits.
        tastes: (N, T).
        prompts: (N, n) the prompts each user is asked about.
        n_candidates: C, at least 2 and at most those of a prompt.
        temperature: τ; a candidate is named in proportion to exp(utility / τ).
        generator: source of the candidates and of the noise.

    Returns:
        N · n · (C - 1) pairs: the favourite over each of the others, one prompt after the other.

    Raises:
        ValueError: a prompt has fewer candidates, or a number is out of range.

    Source: Luce (1959), choice among several; for two it is the Bradley–Terry rule.
    """
    checks.number("temperature", temperature, above=True)
    user, rows = asked(responses, tastes, prompts, generator)
    if not 2 <= checks.whole_number("n_candidates", n_candidates, at_least=2) <= rows.shape[1]:
        raise ValueError(f"n_candidates is {n_candidates}, but prompts have {rows.shape[1]}")
    rows = rows[:, :n_candidates]
    scores = torch.stack([utilities(responses, tastes, user, row) for row in rows.T], 1)
    noise = -(-draws.uniform(generator, *scores.shape).log()).log()  # of Gumbel
    best = (scores / temperature + noise).argmax(1, keepdim=True)
    others = torch.ones_like(rows, dtype=torch.bool).scatter(1, best, False)
    return Preferences(
        user=user.repeat_interleave(n_candidates - 1),
        chosen=rows.gather(1, best)[:, 0].repeat_interleave(n_candidates - 1),
        rejected=rows[others],
        n_users=len(tastes),
    )
