# One rule per lesson. Its figures are its outputs, so a deleted one is drawn again; the executed copy
# is a log because Snakemake keeps the logs of what failed and deletes its outputs. A lesson runs
# again when it, the pinned packages, or something that it imports, reads or shows has changed.
import sys
from glob import glob

sys.path.insert(0, "workflow")
from compare import LESSONS
from rooms import needs
from table import outputs

PYTHON = sys.executable
NEEDS = {lesson: needs(f"notebooks/{lesson}.ipynb") for lesson in LESSONS}
TABLES = glob("figures/*.csv") + glob("figures/people/*.csv")  # what `make figures` wrote


rule all:
    input:
        [outputs(lesson) for lesson in LESSONS],
        expand("build/{lesson}.ipynb", lesson=LESSONS),


for lesson, files in NEEDS.items():

    rule:
        name:
            f"lesson_{lesson}"
        input:
            files,
            TABLES if "lore_core/evaluation/tables.py" in files else [],
            "requirements.lock",
        output:
            outputs(lesson),
        log:
            notebook=f"build/{lesson}.ipynb",
            said=f"build/{lesson}.log",
        benchmark:
            f"build/{lesson}.tsv"
        params:
            name=lesson,
            number=lesson[:2],
        shell:
            "echo '  started   {params.name}'; rm -f build/figures/{params.number}_*; "
            "{{ LORE_OUT=$PWD/build {PYTHON:q} -m papermill -k python3 --cwd notebooks "
            "--no-progress-bar --execution-timeout 900 {input[0]:q} {log.notebook:q} && "
            "touch build/{params.name}.done && ls {output}; }} >{log.said} 2>&1 && "
            "echo '  finished  {params.name}'"
