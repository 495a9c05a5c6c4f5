"""How many numbers PerFit trains, and those of the method that it compares itself with.

Positions share the numbers of their layer. Each published percentage is reproduced by `perfit`.
"""

from __future__ import annotations

from lore_core.perfit.orthonormal import at_most_wide
from lore_core.proper.count import lora
from lore_core.tools import checks


def perfit(layers: int, r: int, d: int) -> int:
    """One φ at each of L layers: L (2 r d + r).

    Args:
        layers: L, how many are moved.
        r: rank.
        d: width.

    Raises:
        ValueError: a number is below 1, or r is larger than d.
    """
    checks.whole_numbers(1, layers=layers, r=r, d=d)
    at_most_wide(r, d)
    return layers * (2 * r * d + r)


def oppu(projections: int, r: int = 8, layers: int = 32, d: int = 4096) -> int:
    """LoRA on some square projections of every block, as OPPU (arXiv 2402.04401) has it.

    PerFit reports by how much less it trains, in percent. Its numbers for stage 1 say that OPPU
    trains 6,291,456, r 8 on three projections; those for stage 2, 4,194,304, which are two. The
    twelve percentages have the mean 92.9, the text says 92.3.

    Args:
        projections: adapted in each block, each from d numbers to d.
        r: rank.
        layers: blocks.
        d: width.
    """
    checks.whole_numbers(1, projections=projections, layers=layers, d=d)
    return lora(projections * layers * [(d, d)], r)


OPPU = {"shared": oppu(3), "personal": oppu(2)}  # as the published reductions imply

# Percent less than OPPU in stage 1 and in stage 2, as published, by task of LaMP.
REDUCTIONS = {
    "LaMP-2N": (93.75, 81.25),
    "LaMP-2M": (91.67, 98.44),
    "LaMP-3": (87.50, 97.66),
    "LaMP-4": (87.50, 97.66),
    "LaMP-5": (95.83, 98.44),
    "LaMP-7": (91.67, 93.75),
}


def reduction(ours: int, theirs: int) -> float:
    """By how much less one trains than the other, in percent."""
    checks.whole_numbers(1, ours=ours, theirs=theirs)
    return 100 * (1 - ours / theirs)
