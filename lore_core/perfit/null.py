"""What spectra look like where there is no direction: few users look low-rank by themselves.

Shapes: N users, d features, r = min(N, d) singular values, D draws.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lore_core.perfit.spectrum import Spectrum, check_share, rows_of, spectrum
from lore_core.tools import checks, draws


def null(shift: Tensor, centred: bool, n_draws: int = 20, seed: int = 0) -> list[Spectrum]:
    """Spectra of Gaussian rows, as many, as wide and as long as these, of every direction alike.

    Args:
        shift: (N, d).
        centred: rows are then as long as those of the centred shifts, and centred themselves.
        n_draws: D.
        seed: of the draws.
    """
    checks.whole_number("n_draws", n_draws, at_least=1)
    lengths = rows_of(shift, centred).norm(dim=1, keepdim=True)
    generator = draws.generator(seed)
    n, d = shift.shape
    drawn = (normalize(draws.normal(generator, n, d)) * lengths for _ in range(n_draws))
    return [spectrum(rows, centred) for rows in drawn]


def band(spectra: list[Spectrum], inside: float = 0.95) -> Tensor:
    """Between which shares of energy the draws of a null lie, rank by rank, (2, r).

    Args:
        spectra: D of them.
        inside: share of the draws in the band.
    """
    check_share(inside)
    if not spectra:
        raise ValueError("spectra is empty; give the draws of `null`")
    energy = torch.stack([one.energy for one in spectra])
    ends = torch.tensor([(1 - inside) / 2, (1 + inside) / 2], dtype=energy.dtype)
    return energy.quantile(ends, dim=0)
