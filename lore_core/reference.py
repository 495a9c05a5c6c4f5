"""The reference: a direction that is nobody's preference, to which learned rewards are compared.

Shapes: M responses, d features.
"""

import torch
from torch import Tensor

from lore_core.responses import centred
from lore_core.tools import checks
from lore_core.tools.checks import float_matrix


def reference_direction(embeddings: Tensor, score: Tensor, ridge: float = 1.0) -> Tensor:
    """The direction (d,) along which embeddings best predict a known score, by ridge regression.

    No user's preferences enter: the fixed reference to which a learned reward is compared.

    Args:
        embeddings: (M, d).
        score: (M,), for instance a judge's score.
        ridge: penalty on the squared length of the direction; the embeddings are measured in the
            root-mean-square length of their rows, so that it means the same for every encoder.

    Returns:
        (d,), in the type of the embeddings; computed in float64.

    Raises:
        ValueError: there is not one score per row, or a number overflows.
    """
    embeddings = float_matrix("embeddings", embeddings)
    score = checks.tensor("score", score)
    checks.same_length("embeddings", embeddings, "score", score)
    if score.ndim != 1:
        raise ValueError(f"score has shape {tuple(score.shape)}, expected one number per row")
    e = centred(embeddings.double())
    score = checks.finite("score", score, "drop or mend them").double()
    unit = e.square().sum(1).mean()
    pull = unit * checks.number("ridge", ridge, above=True)
    gram = e.T @ e + pull * torch.eye(e.shape[1]).to(e)
    checks.finite("products of embeddings", gram, "embeddings are too large; divide them")
    direction, failed = torch.linalg.solve_ex(gram, e.T @ (score - score.mean()))
    if failed:
        raise ValueError(f"ridge {ridge:g} is too weak for these embeddings; use a stronger one")
    return checks.finite("direction", direction.to(embeddings), "the score is too large; divide it")


def unit_column(reference: Tensor) -> Tensor:
    """The reference direction as one column of length one, like those of the basis, (d, 1)."""
    column = checks.tensor("reference", reference).reshape(-1, 1)
    column = checks.float_matrix("reference", column).double()
    if not column.any():
        raise ValueError("reference is zero everywhere, expected a direction")
    column = column / column.abs().max()
    return column / column.norm()
