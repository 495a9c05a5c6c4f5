"""Is a user to be seen in the shifts of their profile: one row for each layer.

Shapes: N users, d features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from torch import Tensor

from lore_core.evaluation import small_tables
from lore_core.perfit.person import agreement, between
from lore_core.perfit.spectrum import collective, spectrum
from lore_core.tools.paths import FIGURES

FILE = FIGURES / "persons.csv"
NUMBERS = [
    "share of mean",
    "rank",
    "rank, centred",
    "same user",
    "±",
    "found",
    "by chance",
    "same query",
    "groups",
    "permuted",
]


def row(own: Tensor, again: Tensor, other: Tensor, group: Tensor) -> dict[str, float]:
    """What shifts at one layer say about their users.

    Args:
        own, again: (N, d) two draws of each user's own profile and queries, which share neither.
        other: (N, d) with the first draw's queries and another user's profile.
        group: (N,) each user's in truth.

    Returns:
        `share of mean`: of the energy. `rank`: directions that hold .80 of it; `rank, centred`:
        without the mean. `same user`: the mean cosine of the two draws, less each draw's mean; `±`:
        two standard errors. `found`: how often the right user comes first; `by chance`: how often
        by chance. `same query`: the mean cosine of own and other. `groups`: the centred energy
        between groups; `permuted`: the 95th percentile with groups dealt out anew.
    """
    alike, parted = agreement(own, again), between(own, group)
    return {
        "share of mean": collective(own).share,
        "rank": spectrum(own, centred=False).ranks[0],
        "rank, centred": spectrum(own, centred=True).ranks[0],
        "same user": float(alike.same.mean()),
        "±": float(2 * alike.same.std() / len(own) ** 0.5),
        "found": float(alike.found.mean()),
        "by chance": alike.chance,
        "same query": float(agreement(own, other).same.mean()),
        "groups": parted.share,
        "permuted": float(parted.permuted.quantile(0.95)),
    }


def table(layers: Mapping[str, Sequence[Tensor]], group: Tensor) -> pd.DataFrame:
    """A row for each layer.

    Args:
        layers: name -> own, again and other, as in `row`.
        group: (N,).
    """
    rows = [
        {"layer": name} | row(own, again, other, group)
        for name, (own, again, other) in layers.items()
    ]
    return pd.DataFrame(rows)


def read_table(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, ["layer"], NUMBERS)
