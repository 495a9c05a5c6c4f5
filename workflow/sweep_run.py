"""One job of a sweep: one run, from its data to its result and the rows of the table.

sweep_run.py PLAN NAME OUT      PLAN is what workflow/sweep.py wrote, NAME stands in it
"""

import json
import sys
from pathlib import Path

from lore_core.evaluation.sweep import Run
from lore_core.evaluation.sweep_rows import rows

if __name__ == "__main__":
    plan, name, out = sys.argv[1:]
    told = json.loads(Path(plan).read_text(encoding="utf-8"))["runs"][name]
    run = Run.of(told["run"])
    result = run.result()
    result.about.update(made_from=told["made_from"], rows=rows(run, result))
    result.save(out)
