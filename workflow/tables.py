"""The last job of a benchmark: the tables, from the results of all others.

tables.py CONFIG RESULTS      what a profile says in JSON, then CROWD/METHOD.safetensors
"""

import json
import sys
from pathlib import Path

from lore_core.evaluation import report, tables
from lore_core.evaluation.result import Result

if __name__ == "__main__":
    config = json.loads(sys.argv[1])
    crowds: dict[str, dict[str, Result]] = {}
    for path in map(Path, sys.argv[2:]):
        crowds.setdefault(path.parent.name, {})[path.stem] = Result.load(path)
    tables.write(report.report(crowds, config["counts"], config["shots"]), config["out"])
