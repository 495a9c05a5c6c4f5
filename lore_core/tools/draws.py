"""Random numbers: from a generator that was passed in, on the CPU, in float64.

Drawn so, they are the same bits on every machine; in float32 normal draws differ between
processors.
"""

from collections.abc import Iterator

import numpy as np
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
    checks.instance_of("generator", source, torch.Generator)
    return torch.rand(shape, dtype=torch.float64, generator=source)


def normal(source: torch.Generator, *shape: int) -> Tensor:
    """Standard normal draws."""
    checks.instance_of("generator", source, torch.Generator)
    return torch.randn(shape, dtype=torch.float64, generator=source)


def dirichlet(source: torch.Generator, concentration: Tensor) -> Tensor:
    """One draw from the Dirichlet distribution of every row.

    Args:
        source: of the draws.
        concentration: (..., K), above 0.

    Returns:
        (..., K) float64, rows sum to one.
    """
    gamma = numpy_generator(source).standard_gamma(concentration.double().numpy())
    drawn = torch.from_numpy(gamma).clamp_min(1e-300)  # a row of zeros has no share
    return drawn / drawn.sum(-1, keepdim=True)


def order(source: torch.Generator, n: int) -> Tensor:
    """0, ..., n - 1 in random order."""
    checks.instance_of("generator", source, torch.Generator)
    return torch.randperm(n, generator=source)


def numpy_generator(source: torch.Generator) -> np.random.Generator:
    """NumPy's generator, seeded by a draw from torch's: for libraries that ask for it."""
    checks.instance_of("generator", source, torch.Generator)
    return np.random.default_rng(int(torch.randint(2**62, (), generator=source)))


class Draws:
    """Random numbers for a run on some device: drawn on the CPU, so the same on every device.

    Args:
        seed: of all of them.
        device: where they are needed.
    """

    def __init__(self, seed: int, device: torch.device):
        self.source = generator(seed)
        self.device = device

    def uniform(self, *shape: int) -> Tensor:
        """Draws from [0, 1), float64."""
        return uniform(self.source, *shape).to(self.device)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal draws, float32."""
        return normal(self.source, *shape).float().to(self.device)

    def whole_number(self, low: int, high: int) -> int:
        """One of low, ..., high."""
        return int(torch.randint(low, high + 1, (), generator=self.source))

    def batches(self, ids: Tensor, size: int) -> Iterator[Tensor]:
        """Ids in batches without end: all of them in a new random order, again and again."""
        while True:
            shuffled = order(self.source, len(ids)).to(ids.device)
            yield from ids[shuffled].split(size)
