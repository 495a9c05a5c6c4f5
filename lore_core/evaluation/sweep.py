"""A sweep: data set × concentration × method × rank × seed, every combination a run of its own.

A benchmark chooses a method's settings for all seeds together, so that a row of its tables is of
one method. A sweep asks how results depend on the settings: each run has one rank and one seed, and
shares nothing with the others. What is left open within a run, such as a learning rate, its own
validation pairs choose.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.result import Result
from lore_core.methods.protocol import Method
from lore_core.methods.registry import REGISTRY
from lore_core.tools import checks

RANK = re.compile(r"^rank \d+")  # how the registry labels settings that have one


def has_rank(method: str) -> bool:
    """Whether a method of the registry is run at a rank of one's choice."""
    return all(map(RANK.match, REGISTRY[method].candidates))


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Args:
        data: what tables call the data set.
        method: by its name in the registry.
        rank: K, or None for a method that has none.
        benchmark: of one seed, and of one crowd or of the data's own people.

    Raises:
        ValueError: the method is unknown, or a rank is missing or too much; there are more seeds.
    """

    data: str
    method: str
    rank: int | None
    benchmark: Benchmark

    def __post_init__(self) -> None:
        checks.one_of("method", self.method, tuple(REGISTRY))
        checks.instance_of("benchmark", self.benchmark, Benchmark)
        if has_rank(self.method):
            checks.whole_number(f"rank of {self.method}", self.rank, at_least=1)
        elif self.rank is not None:
            raise ValueError(f"rank of {self.method} is {self.rank!r}, expected None: it has none")
        if len(self.benchmark.seeds) != 1:
            raise ValueError(f"a run has the seeds {self.benchmark.seeds}, expected a single one")

    @property
    def seed(self) -> int:
        return self.benchmark.seeds[0]

    @property
    def concentration(self) -> float | None:
        """Of the crowd; None for the data's own people."""
        return None if self.benchmark.crowd is None else self.benchmark.crowd.concentration

    @property
    def name(self) -> str:
        """Where its result lies, below the sweep's folder and without an ending."""
        crowd = "people" if self.concentration is None else str(self.concentration)
        rank = [] if self.rank is None else [f"rank_{self.rank}"]
        return "/".join([self.data, crowd, self.method, *rank, f"seed_{self.seed}"])

    @property
    def candidates(self) -> dict[str, Method]:
        """The method's settings at this rank, among which the run's validation data choose."""
        known: Mapping[str, Any] = REGISTRY[self.method].candidates
        if self.rank is None:
            return dict(known)
        at = f"rank {self.rank}"  # most differ in nothing but the rank, and become one
        return {RANK.sub(at, label): replace(one, rank=self.rank) for label, one in known.items()}

    def told(self) -> dict[str, Any]:
        """What JSON can hold of it; `of` reads that."""
        return asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Run:
        """The run of what `told` says."""
        return cls(**{**told, "benchmark": Benchmark.read(told["benchmark"])})

    def result(self) -> Result:
        """Learn and test; `about` says in `seconds` how long that took, data included."""
        began = time.perf_counter()
        studies = self.benchmark.studies()
        for study in studies.values():
            REGISTRY[self.method].check(study.responses)
        [found] = self.benchmark.run(self.candidates, studies)
        found.about["seconds"] = time.perf_counter() - began
        return found
