"""How many directions hold the users' shifts: with their mean, and without it.

An uncentred spectrum shows rank 1 as soon as all users share a mean. What tells them apart is in
the centred one, and `null` says what as many rows would show that know no direction at all.

Shapes: N users, d features, r = min(N, d) singular values.

Source: PerFit (ICLR 2026), its table of ranks; the per mille there are of min(N, d).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lore_core.tools import checks

SHARES = (0.80, 0.90, 0.95)  # of the energy, the paper's


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values of the shifts.

    Args:
        values: (r,) float64, descending.
    """

    values: Tensor

    @property
    def energy(self) -> Tensor:
        """Share of the energy in the first 1, ..., r directions, (r,)."""
        squares = self.values.square()
        return squares.cumsum(0) / squares.sum()

    def rank(self, share: float) -> int:
        """How many directions hold at least this share of the energy.

        Args:
            share: above 0, at most 1.
        """
        check_share(share)
        # A sum of squares may end a rounding below 1.
        return int((self.energy < share - 1e-12).sum()) + 1

    @property
    def ranks(self) -> tuple[int, ...]:
        """`rank` of each of SHARES."""
        return tuple(self.rank(share) for share in SHARES)

    def per_mille(self, share: float) -> float:
        """The rank in thousandths of min(N, d), as the paper has it."""
        return 1000 * self.rank(share) / len(self.values)


class Collective(NamedTuple):
    """What all users share.

    Args:
        mean: (d,) float64, the mean shift.
        share: of the energy, N ‖mean‖² / ‖Δ‖².
    """

    mean: Tensor
    share: float


def spectrum(shift: Tensor, centred: bool) -> Spectrum:
    """The spectrum of the users' shifts.

    Args:
        shift: (N, d), finite.
        centred: whether the mean over users is taken away first.

    Raises:
        ValueError: a shift is not finite, there are fewer than two users, or nothing is left: all
            shifts are zero, or all are alike and were centred.
    """
    checks.flag("centred", centred)
    return Spectrum(torch.linalg.svdvals(rows_of(shift, centred)))


def directions(shift: Tensor, n: int, centred: bool = True) -> Tensor:
    """The leading directions of the shifts, (n, d) float64, of length one.

    The sign of each is such that its largest entry is positive.

    Args:
        shift: (N, d).
        n: at most min(N, d), and with the mean taken away at most min(N - 1, d).
        centred: see `spectrum`.

    Raises:
        ValueError: see `spectrum`, or there are too few users for so many directions.
    """
    rows = rows_of(shift, centred)
    most = min(len(rows) - centred, rows.shape[1])
    if checks.whole_number("n", n, at_least=1) > most:
        raise ValueError(
            f"{n} directions are asked for, but {len(rows)} users in {rows.shape[1]} features have "
            f"{most}{' once their mean is taken away' if centred else ''}; ask for fewer, or give "
            "more users"
        )
    found = torch.linalg.svd(rows, full_matrices=False).Vh[:n]
    top = found.abs().argmax(1, keepdim=True)
    return found * found.gather(1, top).sign()


def collective(shift: Tensor) -> Collective:
    """The mean shift and how much of the energy it holds.

    Args:
        shift: (N, d).
    """
    rows = rows_of(shift, centred=False)
    mean = rows.mean(0)
    return Collective(mean, float(len(rows) * mean.square().sum() / rows.square().sum()))


def heaviest(shift: Tensor, centred: bool) -> tuple[int, float]:
    """The feature that holds most of the energy, and its share.

    A language model keeps a few features that are hundreds of times larger than the others. Where
    one of them moves, the first direction is no direction of meaning but this one feature.

    Args:
        shift: (N, d).
        centred: see `spectrum`.
    """
    energy = rows_of(shift, centred).square().sum(0)
    top = int(energy.argmax())
    return top, float(energy[top] / energy.sum())


def check_share(share: float) -> None:
    """Raise a ValueError unless this is a share above 0."""
    if checks.number("share", share, above=True) > 1:
        raise ValueError(f"share is {share}, expected one of above 0 to 1, such as 0.8")


def rows_of(shift: Tensor, centred: bool) -> Tensor:
    """The shifts in float64, centred if asked for; something has to be left."""
    rows = checks.float_matrix("shift", shift).double()
    if len(rows) < 2:
        raise ValueError(f"there are shifts of {len(rows)} users, expected at least two")
    scale = float(rows.square().sum())
    rows = rows - rows.mean(0) if centred else rows
    if not math.isfinite(scale) or float(rows.square().sum()) <= 1e-24 * scale:
        what = "all users have the same shift" if centred and scale else "all shifts are zero"
        raise ValueError(f"{what}: no direction is left; were they read from different profiles?")
    return rows
