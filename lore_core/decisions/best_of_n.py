"""Best of n: of the candidates that a prompt has, give each user the one their reward ranks first.

Shapes: P prompts, C candidates each, N users, T traits.
"""

import torch
from torch import Tensor

from lore_core.methods.protocol import Model
from lore_core.responses import Responses


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
    world = model.comparable(responses)
    rewards = model.scores(world, personal, user, rows.flatten().repeat(n))
    best = rewards.view(n, *rows.shape).argmax(2)
    return rows[torch.arange(len(rows)), best]
