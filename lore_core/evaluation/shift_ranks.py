"""How many directions hold users' shifts, by layer and by what stood in the prompt.

Source: PerFit (ICLR 2026), for the published ranks.
"""

from __future__ import annotations

import statistics
from itertools import product
from pathlib import Path

import pandas as pd

from lore_core.datasets import shifts
from lore_core.evaluation import small_tables
from lore_core.perfit.null import null
from lore_core.perfit.spectrum import SHARES, Spectrum, spectrum
from lore_core.tools.paths import FIGURES

NULL = "Gaussian"  # rows without a direction, as long as those of the user's own profile
FILE = FIGURES / "shift_ranks.csv"
NAMES = [f"{share:.2f}" for share in SHARES]
NUMBERS = [*NAMES, *(f"{name} ‰" for name in NAMES)]

# Directions that hold .80, .90 and .95 of the energy, and min(N, d), which the published per mille
# are of (derived from them).
PUBLISHED = {
    "LaMP-2M": ((1, 3, 12), 829),
    "LaMP-2N": ((1, 4, 20), 274),
    "LaMP-3": ((3, 18, 93), 4096),
    "LaMP-4": ((34, 167, 368), 1543),
    "LaMP-5": ((4, 40, 203), 4096),
    "LaMP-7": ((3, 32, 177), 4096),
}


def table() -> pd.DataFrame:
    """A row for each layer, profile, and spectrum with and without the mean."""
    found = shifts.load()
    rows = []
    for layer, centred in product(found.layers, (False, True)):
        about = {"layer": str(layer), "centred": centred}
        for kind in found.shift:
            rows.append(about | {"profile": kind} | row(spectrum(found.at(kind, layer), centred)))
        drawn = [row(one) for one in null(found.at("own", layer), centred)]
        rows.append(about | {"profile": NULL} | {name: median(drawn, name) for name in NUMBERS})
    return pd.DataFrame(rows)


def median(rows: list[dict[str, float]], name: str) -> float:
    """The middle of one number."""
    return statistics.median(one[name] for one in rows)


def row(one: Spectrum) -> dict[str, float]:
    """The ranks, and the same in thousandths of what is possible."""
    ranks = dict(zip(NAMES, one.ranks, strict=True))
    mille = {f"{share:.2f} ‰": one.per_mille(share) for share in SHARES}
    return ranks | mille


def published() -> dict[str, dict[str, float]]:
    """The published ranks in thousandths: task -> share of the energy -> ‰."""
    return {
        task: {name: 1000 * rank / most for name, rank in zip(NAMES, ranks, strict=True)}
        for task, (ranks, most) in PUBLISHED.items()
    }


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, ["layer", "centred", "profile"], NUMBERS)
