"""Who uses which policy, and how evenly.

Shapes: U users, n policies.
"""

import torch
from torch import Tensor

from lore_core.tools import checks


def usage(assigned: Tensor, n: int) -> Tensor:
    """The share of users that each policy serves, (n,).

    Args:
        assigned: (U,) as from `Portfolio.assign`.
        n: policies.

    Raises:
        ValueError: there are no users, or one is assigned to a policy that is not there.
    """
    assigned = checks.index_vector("assigned", assigned)
    checks.whole_number("number of users", len(assigned), at_least=1)
    checks.below("assigned", assigned, checks.whole_number("n", n, at_least=1))
    return torch.bincount(assigned, minlength=n).double() / len(assigned)


def perplexity(shares: Tensor) -> float:
    """exp(H), how many policies as evenly used would be as diverse; from 1 to n.

    Args:
        shares: (n,) that sum to one.
    """
    shares = checks.simplex_rows("shares", checks.tensor("shares", shares)[None])[0].double()
    return float(torch.special.entr(shares).sum().exp())
