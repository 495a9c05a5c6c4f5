"""Synthetic crowds: users whose true tastes are known.

A taste is a point on the simplex: how much weight a user gives to each trait of the responses.
The utility of response x for user u is  traits(x) · taste_u.  No learner sees traits or tastes.

Shapes: N users, T traits, n prompts per user, C candidates per prompt.
"""

import torch
from torch import Tensor

from lore_core.responses import Responses
from lore_core.tools import checks, draws

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
    checks.instance_of("generator", generator, torch.Generator)
    rng = draws.numpy_generator(generator)
    tastes = torch.from_numpy(rng.dirichlet([concentration] * n_traits, size=n_users))
    if not (tastes.sum(1) - 1).abs().max() < 1e-9:  # nor NaN
        raise ValueError(f"concentration {concentration:g} is beyond what numbers can hold")
    return tastes


def has_preference(responses: Responses, tastes: Tensor) -> Tensor:
    """Whether a user finds the best candidate of a prompt better than the worst one, (N, P).

    Somebody who only cares about lists finds eight responses without one equal.

    Args:
        responses: with traits; columns of the answer are in the order of their distinct prompts.
        tastes: (N, T).
    """
    tastes = check_tastes(responses, tastes)
    rows = responses.candidates
    traits = responses.known_traits.double()
    spread = []
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
    return (responses.known_traits[rows].double() * tastes[user].double()).sum(-1)


def tie(responses: Responses) -> float:
    """The largest difference between utilities that is none."""
    return TIE * float(responses.known_traits.abs().max())


def check_tastes(responses: Responses, tastes: Tensor) -> Tensor:
    """Tastes in float64, or a ValueError unless they hold a number for each user and trait."""
    checks.instance_of("responses", responses, Responses)
    traits = responses.known_traits
    tastes = checks.float_matrix("tastes", tastes)
    if tastes.shape[1] != traits.shape[1]:
        raise ValueError(
            f"tastes have shape {tuple(tastes.shape)} and do not fit "
            f"{traits.shape[1]} traits; expected (N, T)"
        )
    return tastes.double()
