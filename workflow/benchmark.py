"""One job of a benchmark: one method on one crowd, from its candidates to its results.

benchmark.py METHOD SETTINGS OUT...   settings: the fields of Benchmark in JSON; a file per seed
"""

import json
import sys

from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.ceilings import CEILINGS
from lore_core.evaluation.result import Result
from lore_core.methods.registry import REGISTRY


def results(method: str, benchmark: Benchmark) -> list[Result]:
    """What a method of the registry, or a ceiling, reaches in the world of every seed."""
    studies = benchmark.studies()
    if method in CEILINGS:
        return CEILINGS[method].results(studies, benchmark)
    for study in studies.values():
        REGISTRY[method].check(study.responses)
    return benchmark.run(REGISTRY[method].candidates, studies)


if __name__ == "__main__":
    method, settings, *out = sys.argv[1:]
    found = results(method, Benchmark.read(json.loads(settings)))
    for result, path in zip(found, out, strict=True):
        result.save(path)
