"""The unit of the embeddings: how far the two responses of a pair lie apart.

Shapes: M responses, d features, B pairs.
"""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from lore_core.prepared import Learnable
from lore_core.recipes import Recipe
from lore_core.responses import Responses
from lore_core.tools import draws

SMALLEST = 1e-12  # of embeddings whose squares and products fit into float32
LARGEST = 1e12
SAMPLE = 50_000  # pairs: all of a world of the course; a tenth of them are within 1.5 %
CELLS = 2**14  # numbers looked at together: they stay in a processor's cache


def pair_scale(responses: Responses, pairs: Learnable) -> float:
    """Root mean square length of the pair differences: the embeddings' own unit.

    Of many pairs `SAMPLE` are looked at, always the same ones, and all only if these say nothing.

    Raises:
        ValueError: the two embeddings of every pair are equal, or squares over- or underflow.
    """
    rows = responses.embeddings
    pairs = pairs.to(rows.device)
    scale = root_mean_square(rows, pairs, [sample(len(pairs), SAMPLE)])
    if not 0 < scale < math.inf:
        scale = root_mean_square(rows, pairs, stretches(len(pairs), SAMPLE))
    if not 0 < scale < math.inf:
        raise ValueError(
            f"the embeddings of a pair differ by {scale} on average, expected a number above 0: "
            "either both are the same in every pair, or they are too small or too large to square"
        )
    return scale


def sample(n: int, size: int) -> Tensor:
    """Places among n, at most `size`: one drawn from each of so many equal stretches."""
    if n <= size:
        return torch.arange(n)
    ends = torch.arange(size + 1) * n // size
    within = draws.uniform(draws.generator(0), size) * ends.diff()
    return ends[:-1] + within.long()


def stretches(n: int, size: int) -> Iterator[Tensor]:
    """All places among n, at most `size` at a time."""
    for first in range(0, n, size):
        yield torch.arange(first, min(first + size, n))


def root_mean_square(rows: Tensor, pairs: Learnable, places: Iterable[Tensor]) -> float:
    """Length of the differences of rows (M, d), of pairs at some places, in bounded memory."""
    total, n = 0.0, 0
    for some in places:
        total += squares(rows, *pairs.rows_at(some.to(rows.device)))
        n += len(some)
    return (total / n) ** 0.5


def squares(rows: Tensor, chosen: Tensor, rejected: Tensor) -> float:
    """Sum of the squared lengths of the differences of rows (M, d) that some pairs name."""
    size = max(1, CELLS // rows.shape[1])
    blocks = zip(chosen.split(size), rejected.split(size), strict=True)
    gaps = (rows.index_select(0, one).sub_(rows.index_select(0, other)) for one, other in blocks)
    return sum(float(gap.double().square_().sum()) for gap in gaps)


def check_scale(responses: Responses, pairs: Learnable) -> None:
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


def training_unit(responses: Responses, pairs: Learnable, recipe: Recipe) -> float:
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
