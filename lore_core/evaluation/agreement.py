"""How far two groupings of the same users agree."""

import torch
from torch import Tensor

from lore_core.tools import checks


def mutual_information(one: Tensor, other: Tensor) -> float:
    """Normalised mutual information of two groupings: 1 if they are the same, 0 if unrelated.

    It is I(one; other) over the mean of their entropies. Groupings by chance have a little more
    than 0, the more so the fewer users and the more groups there are.

    Args:
        one, other: (N,) the group of each user.

    Raises:
        ValueError: they are not whole numbers from 0, or not of one length.
    """
    one, other = checks.index_vector("one", one), checks.index_vector("other", other)
    checks.same_length("one", one, "other", other)
    table = torch.zeros(int(one.max()) + 1, int(other.max()) + 1, dtype=torch.float64)
    table.index_put_((one, other), torch.tensor(1 / len(one), dtype=torch.float64), accumulate=True)
    rows, columns = (entropy(table.sum(side)) for side in (1, 0))
    shared = rows + columns - entropy(table)
    return float(shared / ((rows + columns) / 2)) if rows + columns > 0 else 1.0


def entropy(shares: Tensor) -> Tensor:
    """−Σ p log p, in nats."""
    return torch.special.entr(shares).sum()
