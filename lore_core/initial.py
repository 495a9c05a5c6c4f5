"""Where training starts: a random basis and random logits, or given ones.

Shapes: d features, K basis rewards, N users.
"""

import math

from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.recipes import Recipe
from lore_core.responses import Responses
from lore_core.tools import draws
from lore_core.tools.checks import float_matrix

SMALLEST, LARGEST = 1e-12, 1e12  # of embeddings whose squares and products fit into float32


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
    generator = draws.generator(seed)
    draw_logits = draws.uniform if recipe.start == "uniform" else draws.normal
    basis = draws.normal(generator, *basis_shape)
    logits = draw_logits(generator, *logits_shape)
    return basis * recipe.start_scale / scale, logits


def given_start(
    init: tuple[Tensor, Tensor], basis_shape: tuple[int, int], logits_shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The start that was asked for, or a ValueError if it does not fit this problem."""
    if not isinstance(init, tuple | list) or len(init) != 2:
        raise ValueError("init is not a pair, expected (basis (d, K), logits (N, K))")
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

    Raises:
        ValueError: the two embeddings of every pair are equal, or squares over- or underflow.
    """
    pairs = pairs.to(responses.embeddings.device)
    blocks = (side.split(len(responses)) for side in (pairs.chosen, pairs.rejected))
    squares = [
        (responses.embeddings[chosen] - responses.embeddings[rejected]).double().square().sum()
        for chosen, rejected in zip(*blocks, strict=True)
    ]
    scale = float(sum(squares) / len(pairs)) ** 0.5
    if not 0 < scale < math.inf:
        raise ValueError(
            f"the embeddings of a pair differ by {scale} on average, expected a number above 0: "
            "either both are the same in every pair, or they are too small or too large to square"
        )
    return scale


def check_scale(responses: Responses, pairs: Preferences) -> None:
    """For methods that take embeddings in the units they come in.

    Raises:
        ValueError: their products would over- or underflow in single precision.
    """
    scale = pair_scale(responses, pairs)
    if not SMALLEST <= scale <= LARGEST:
        raise ValueError(
            f"the embeddings of a pair differ by {scale:.1g} on average, expected something "
            f"between {SMALLEST:g} and {LARGEST:g}; divide all embeddings by {scale:.1g}"
        )
