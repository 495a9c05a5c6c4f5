"""One job of a sweep: one run, from its data to its result and the rows of the table.

sweep_run.py TOLD OUT      TOLD: the run in JSON, and the checksum of all that it is made from
"""

import json
import sys

from lore_core.evaluation.sweep import Run
from lore_core.evaluation.sweep_rows import rows

if __name__ == "__main__":
    told, out = json.loads(sys.argv[1]), sys.argv[2]
    run = Run.of(told["run"])
    result = run.result()
    result.about.update(made_from=told["made_from"], rows=rows(run, result))
    result.save(out)
