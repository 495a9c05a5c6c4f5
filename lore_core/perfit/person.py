"""Whether a shift is its person's: two draws of one user compared, and users of one group.

What all share is taken away first, by each draw's own mean, since it would make everybody alike.

Shapes: N users, d features, G groups, P permutations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lore_core.tools import checks, draws


@dataclass(frozen=True, eq=False)
class Agreement:
    """How alike two draws of the same users are.

    Args:
        cosine: (N, N) of the first draw's row with the second's column, means taken away.
    """

    cosine: Tensor

    @property
    def same(self) -> Tensor:
        """Of each user with itself, (N,): the split-half cosine."""
        return self.cosine.diagonal()

    @property
    def others(self) -> Tensor:
        """Of each user with everybody else, on average, (N,)."""
        return (self.cosine.sum(1) - self.same) / (len(self.cosine) - 1)

    @property
    def found(self) -> Tensor:
        """How often each user comes first among all, (N,): 0, 0.5 or 1.

        Once the first draw asks the second, once the other way round. A tie is not found.
        """
        off = self.cosine.clone().fill_diagonal_(-torch.inf)
        return ((self.same > off.amax(1)).double() + (self.same > off.amax(0)).double()) / 2

    @property
    def chance(self) -> float:
        """What `found` would be on average if draws had nothing to do with users."""
        return 1 / len(self.cosine)


@dataclass(frozen=True, eq=False)
class Between:
    """How much of what tells users apart is between their groups.

    Args:
        share: of the centred energy, 0 to 1.
        permuted: (P,) the same with groups dealt out anew.
    """

    share: float
    permuted: Tensor

    @property
    def p(self) -> float:
        """How often chance does as well, with the groups as they are among the cases."""
        return (int((self.permuted >= self.share).sum()) + 1) / (len(self.permuted) + 1)


def agreement(one: Tensor, other: Tensor) -> Agreement:
    """Two draws of the same users' shifts against each other.

    Args:
        one, other: (N, d) each, row i of both is user i.

    Raises:
        ValueError: a shift is not finite, or the draws are of different users or features.
    """
    rows = [_centred(name, values) for name, values in (("one", one), ("other", other))]
    if rows[0].shape != rows[1].shape:
        raise ValueError(
            f"the draws have shapes {tuple(rows[0].shape)} and {tuple(rows[1].shape)}, expected "
            "the same users and features in both; leave out who has only one"
        )
    return Agreement(normalize(rows[0]) @ normalize(rows[1]).T)


def between(shift: Tensor, group: Tensor, n_permutations: int = 1000, seed: int = 0) -> Between:
    """The share of the centred energy between groups, Σ_g n_g ‖v̄_g - v̄‖² / Σ_i ‖v_i - v̄‖².

    Args:
        shift: (N, d).
        group: (N,) each user's.
        n_permutations: P.
        seed: of the permutations.

    Raises:
        ValueError: a shift is not finite, there is not one group for each, or there is only one.
    """
    rows = _centred("shift", shift)
    ids = checks.index_vector("group", group)
    checks.same_length("group", ids, "shift", rows)
    checks.whole_number("n_permutations", n_permutations, at_least=1)
    ids = ids.unique(return_inverse=True)[1]
    n_groups = int(ids.max()) + 1
    if n_groups < 2:
        raise ValueError("all users are in one group, expected several: nothing is between them")
    # Only products of users matter, so d is done with once.
    products = rows @ rows.T
    generator = draws.generator(seed)
    dealt = (ids[draws.order(generator, len(ids))] for _ in range(n_permutations))
    permuted = torch.stack([_share(products, one, n_groups) for one in dealt])
    return Between(float(_share(products, ids, n_groups)), permuted)


def _share(products: Tensor, ids: Tensor, n_groups: int) -> Tensor:
    """Energy of the groups' means over the energy of all."""
    member = torch.zeros(len(ids), n_groups, dtype=products.dtype)
    member[torch.arange(len(ids)), ids] = 1
    sums = (member * (products @ member)).sum(0)  # ‖Σ rows of a group‖²
    return (sums / member.sum(0)).sum() / products.trace()


def _centred(name: str, values: Tensor) -> Tensor:
    """Rows in float64 without their mean; there have to be two, and they have to differ."""
    rows = checks.float_matrix(name, values).double()
    if len(rows) < 2:
        raise ValueError(f"{name} has {len(rows)} users, expected at least two")
    centred = rows - rows.mean(0)
    if float(centred.square().sum()) <= 1e-24 * float(rows.square().sum()):
        raise ValueError(f"{name}: all users have the same shift, so nothing tells them apart")
    return centred
