"""Choosing among some responses by a user's reward.

    best of n   the response with the largest w · r
    tilted      π(y) ∝ exp(w · r(y) / β) over the n responses: the closed form of the policy that
                gains reward, and pays β for each unit of KL from the responses as they came

Shapes: p prompts, n responses to each, K rewards.
"""

import torch
from torch import Tensor

from lore_core.language_model.sampling import picked
from lore_core.tools import checks, draws


def best(rewards: Tensor, weights: Tensor) -> Tensor:
    """The place of the best response to each prompt, (p,); the first of equals.

    Args:
        rewards: (p, n, K).
        weights: (K,) on the simplex.
    """
    return (rewards.double() @ weights.double()).argmax(1)


def tilted(rewards: Tensor, weights: Tensor, beta: float) -> Tensor:
    """Probabilities of the responses under the tilted policy, (p, n) float64.

    Args:
        rewards: (p, n, K).
        weights: (K,) on the simplex.
        beta: price of KL. At 0 the best response has probability 1, and equals share it.

    Raises:
        ValueError: beta is negative.
    """
    beta = checks.number("beta", beta)
    values = rewards.double() @ weights.double()
    if beta == 0:
        top = (values == values.amax(1, keepdim=True)).double()
        return top / top.sum(1, keepdim=True)
    return (values / beta).softmax(1)


def drawn(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """A place for each prompt, (p,), drawn with these probabilities (p, n)."""
    return picked(probabilities, draws.uniform(generator, len(probabilities)))
