"""The last job of the full comparison: the tables, from the results of all others.

tables.py CONFIG RESULTS      what profiles/full.yaml says in JSON, CONCENTRATION/METHOD.safetensors
"""

import json
import sys
from pathlib import Path

from lore_core.evaluation import report, tables
from lore_core.evaluation.benchmark import Result

if __name__ == "__main__":
    config = json.loads(sys.argv[1])
    crowds: dict[float, report.Crowd] = {}
    for path in map(Path, sys.argv[2:]):
        crowds.setdefault(float(path.parent.name), {})[path.stem] = Result.load(path)
    made = report.report(crowds, config["counts"], config["shots"], config["n_pairs"])
    tables.write(made, config["out"])
