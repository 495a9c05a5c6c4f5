"""What synthetic users think of what they are given: their true utility.

Shapes: P prompts, N users, T traits.
"""

import torch
from torch import Tensor

from lore_core.responses import Responses
from lore_core.simulation.tastes import check_tastes
from lore_core.tools import checks


def true_utility(responses: Responses, tastes: Tensor, rows: Tensor) -> Tensor:
    """What each user thinks of what they were given, on average over prompts, (N,).

    Args:
        responses: with traits.
        tastes: (N, T).
        rows: (N, P) as from `best_of_n`.

    Raises:
        ValueError: there is not one row of `rows` per taste, or traits and tastes do not fit.
    """
    tastes = check_tastes(responses, tastes)
    rows = checks.tensor("rows", rows)
    checks.same_length("rows", rows, "tastes", tastes)
    flat = checks.index_vector("rows", rows.flatten())
    checks.below("rows", flat, len(responses))
    given = responses.known_traits[flat.view(len(tastes), -1)].double()
    return torch.einsum("npt,nt->np", given, tastes).mean(1)


def perfect(responses: Responses, prompts: Tensor, tastes: Tensor) -> Tensor:
    """The rows that an observer who knows every taste would choose, (N, P)."""
    tastes = check_tastes(responses, tastes)
    rows = responses.candidates_of(prompts)
    utility = torch.einsum("pct,nt->npc", responses.known_traits[rows].double(), tastes)
    return rows[torch.arange(len(rows)), utility.argmax(2)]
