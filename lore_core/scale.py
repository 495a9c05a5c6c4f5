"""The unit of the embeddings: how far the two responses of a pair lie apart.

Shapes: M responses, d features, B pairs.
"""

import math

import torch

from lore_core.preferences import Preferences
from lore_core.recipes import Recipe
from lore_core.responses import Responses

SMALLEST = 1e-12  # of embeddings whose squares and products fit into float32
LARGEST = 1e12


def pair_scale(responses: Responses, pairs: Preferences) -> float:
    """Root mean square length of the pair differences: the embeddings' own unit.

    Pairs are read in blocks no larger than the embeddings, never all at once.

    Raises:
        ValueError: the two embeddings of every pair are equal, or squares over- or underflow.
    """
    rows = responses.embeddings
    pairs = pairs.to(rows.device)
    blocks = (side.split(len(responses)) for side in (pairs.chosen, pairs.rejected))
    squares = [
        float((rows[chosen] - rows[rejected]).double().square().sum())
        for chosen, rejected in zip(*blocks, strict=True)
    ]
    scale = (sum(squares) / len(pairs)) ** 0.5
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


def training_unit(responses: Responses, pairs: Preferences, recipe: Recipe) -> float:
    """What embeddings are divided by in training: 1, or the pairs' own scale.

    Raises:
        ValueError: the embeddings are too small or too large for their type.
    """
    if not recipe.rescale:
        check_scale(responses, pairs)
        return 1.0
    scale = pair_scale(responses, pairs)
    kind = torch.finfo(responses.embeddings.dtype)
    if not 1e3 * kind.tiny < scale < kind.max / 1e3:
        raise ValueError(
            f"the embeddings of a pair differ by {scale:.1g} on average, too little or too much "
            f"for {responses.embeddings.dtype}; divide all embeddings by {scale:.1g}"
        )
    return scale
