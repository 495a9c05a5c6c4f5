"""Best of n: of the candidates that a prompt has, give each user the one their reward ranks first.

Shapes: P prompts, C candidates each, N users, T traits.
"""

import torch
from torch import Tensor

from lore_core.methods.protocol import Model
from lore_core.responses import Responses
from lore_core.simulation.tastes import check_tastes
from lore_core.tools import checks


def best_of_n(model: Model, responses: Responses, prompts: Tensor, personal: Tensor) -> Tensor:
    """For each user and prompt the row of the candidate with the highest reward, (N, P).

    Args:
        model: gives the rewards.
        responses: what is chosen from.
        prompts: (P,) prompt ids.
        personal: (N, p) what `model` keeps of the users.
    """
    rows = responses.candidates_of(prompts)
    n = len(personal)
    user = torch.arange(n, device=rows.device).repeat_interleave(rows.numel())
    world, rows_of_all = model.comparable(responses), rows.flatten().repeat(n)
    rewards = model.scores(world, personal, user, rows_of_all)
    best = rewards.view(n, *rows.shape).argmax(2)
    return rows[torch.arange(len(rows)), best]


def true_utility(responses: Responses, tastes: Tensor, rows: Tensor) -> Tensor:
    """What each user thinks of what they were given, on average over prompts, (N,).

    Args:
        responses: with traits.
        tastes: (N, T).
        rows: (N, P) as from `best_of_n`.

    Raises:
        ValueError: there is not one row of `rows` per taste, or traits and tastes do not fit.
    """
    tastes, rows = check_tastes(responses, tastes), checks.tensor("rows", rows)
    checks.same_length("rows", rows, "tastes", tastes)
    flat = checks.index_vector("rows", rows.flatten())
    checks.below("rows", flat, len(responses))
    given = responses.traits[flat.view(len(tastes), -1)].double()
    return torch.einsum("npt,nt->np", given, tastes).mean(1)


def perfect(responses: Responses, prompts: Tensor, tastes: Tensor) -> Tensor:
    """The rows that an observer who knows every taste would choose, (N, P)."""
    tastes, rows = check_tastes(responses, tastes), responses.candidates_of(prompts)
    utility = torch.einsum("pct,nt->npc", responses.traits[rows].double(), tastes)
    return rows[torch.arange(len(rows)), utility.argmax(2)]
