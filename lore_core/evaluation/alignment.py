"""Was the planted basis found?"""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from lore_core.tools import checks


def alignment(basis: Tensor, truth: Tensor) -> Tensor:
    """Cosine between each true basis reward and the found one matched to it.

    The order of the columns means nothing, so they are matched to make the sum of cosines largest.

    Args:
        basis: (d, K) as found.
        truth: (d, K) as planted.

    Returns:
        (K,) cosines, in the order of the true columns.

    Raises:
        ValueError: the shapes differ.
    """
    basis, truth = checks.float_matrix("basis", basis), checks.float_matrix("truth", truth)
    if basis.shape != truth.shape:
        raise ValueError(f"basis has shape {tuple(basis.shape)}, truth {tuple(truth.shape)}")
    cosines = directions(truth).T @ directions(basis)
    true, found = linear_sum_assignment(cosines.cpu().numpy(), maximize=True)
    return cosines[true, found]


def directions(columns: Tensor) -> Tensor:
    """The columns at length one, in float64, whatever their size; a column of zeros stays."""
    columns = columns.detach().double()
    columns = columns / columns.abs().amax(0).clamp_min(torch.finfo(columns.dtype).tiny)
    return F.normalize(columns, dim=0)
