"""Where training starts: a random basis and random logits, or given ones.

Shapes: d features, K basis rewards, N users.
"""

import torch
from torch import Tensor

from lore_core.checks import float_matrix
from lore_core.preferences import Preferences, Responses
from lore_core.recipes import Recipe


def random_start(
    basis_shape: tuple[int, int],
    logits_shape: tuple[int, int],
    recipe: Recipe,
    scale: float,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Random basis (d, K) and logits (N, K), drawn in float64 from `seed`.

    Args:
        basis_shape, logits_shape: (d, K) and (N, K).
        recipe: its `start` and `start_scale`.
        scale: what embeddings are divided by in training.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    draw_logits = torch.rand if recipe.start == "uniform" else torch.randn
    basis = torch.randn(basis_shape, dtype=torch.float64, generator=generator)
    logits = draw_logits(logits_shape, dtype=torch.float64, generator=generator)
    return basis * recipe.start_scale / scale, logits


def given_start(
    init: tuple[Tensor, Tensor], basis_shape: tuple[int, int], logits_shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The start that was asked for, or a ValueError if it does not fit this problem."""
    basis, logits = (float_matrix("init", tensor) for tensor in init)
    if (tuple(basis.shape), tuple(logits.shape)) != (basis_shape, logits_shape):
        raise ValueError(
            f"init has shapes {tuple(basis.shape)} and {tuple(logits.shape)}, "
            f"expected basis (d, K) = {basis_shape} and logits (N, K) = {logits_shape}"
        )
    return basis, logits


def pair_scale(responses: Responses, pairs: Preferences) -> float:
    """Root mean square length of the pair differences: the embeddings' own unit.

    Pairs are read in blocks no larger than the embeddings, never all at once.
    """
    blocks = (side.split(len(responses)) for side in (pairs.chosen, pairs.rejected))
    squares = [
        (responses.embeddings[chosen] - responses.embeddings[rejected]).square().sum()
        for chosen, rejected in zip(*blocks, strict=True)
    ]
    return max(float(sum(squares) / len(pairs)) ** 0.5, 1e-12)
