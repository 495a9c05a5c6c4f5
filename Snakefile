# One rule for all lessons. A lesson runs again when it, the library, the data, the pinned packages
# or the runner change. The executed copy is a log because Snakemake keeps the logs of what failed
# and deletes its outputs; the output is the receipt that workflow/run_lesson.py writes at the end.
import sys
from glob import glob

PYTHON = sys.executable
LIBRARY = sorted(glob("lore_core/**/*.py", recursive=True))
DATA = sorted(glob("data/*.safetensors"))
TABLES = sorted(glob("figures/*.csv"))  # what `make figures` wrote
READ_TABLES = ("05", "06")


wildcard_constraints:
    lesson=r"[0-9][^/]*",


rule all:
    input:
        expand("build/{lesson}.json", lesson=glob_wildcards("notebooks/{lesson}.ipynb").lesson),


rule lesson:
    input:
        lambda wildcards: TABLES if wildcards.lesson.startswith(READ_TABLES) else [],
        "notebooks/{lesson}.ipynb",
        "requirements.lock",
        "workflow/run_lesson.py",
        LIBRARY,
        DATA,
    output:
        "build/{lesson}.json",
    log:
        "build/{lesson}.ipynb",
    shell:
        "{PYTHON:q} workflow/run_lesson.py {wildcards.lesson:q}"
