"""One job of a benchmark: one method on one crowd, from its candidates to its result.

benchmark.py METHOD SETTINGS OUT      settings: the fields of Benchmark in JSON; a file to write
"""

import json
import sys

from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.ceilings import CEILINGS
from lore_core.evaluation.result import Result
from lore_core.methods.registry import REGISTRY


def result(method: str, benchmark: Benchmark) -> Result:
    """What a method of the registry, or a ceiling, reaches."""
    study = benchmark.study()
    if method in CEILINGS:
        return CEILINGS[method].result(study, benchmark)
    REGISTRY[method].check(study.responses)
    return benchmark.run(REGISTRY[method].candidates, study)


if __name__ == "__main__":
    method, settings, out = sys.argv[1:]
    result(method, Benchmark.read(json.loads(settings))).save(out)
