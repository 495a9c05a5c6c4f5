"""Random numbers: from a generator that was passed in, on the CPU, in float64.

Drawn so, they are the same bits on every machine; in float32 normal draws differ between
processors.
"""

import torch
from torch import Tensor

from lore_core.tools import checks

LARGEST = 2**63 - 1  # what torch takes for a seed


def generator(seed: int) -> torch.Generator:
    """The generator of a seed.

    Raises:
        ValueError: the seed is not a whole number from 0 to 2⁶³ - 1.
    """
    seed = checks.whole_number("seed", seed, at_least=0)
    if seed > LARGEST:
        raise ValueError(f"seed is {seed}, expected a whole number of at most {LARGEST}")
    return torch.Generator().manual_seed(seed)


def uniform(source: torch.Generator, *shape: int) -> Tensor:
    """Draws from [0, 1)."""
    checks.kind("generator", source, torch.Generator)
    return torch.rand(shape, dtype=torch.float64, generator=source)


def normal(source: torch.Generator, *shape: int) -> Tensor:
    """Standard normal draws."""
    checks.kind("generator", source, torch.Generator)
    return torch.randn(shape, dtype=torch.float64, generator=source)


def order(source: torch.Generator, n: int) -> Tensor:
    """0, ..., n - 1 in random order."""
    checks.kind("generator", source, torch.Generator)
    return torch.randperm(n, generator=source)
