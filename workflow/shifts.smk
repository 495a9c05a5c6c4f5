# PerFit and its rivals, in full (lesson 10): one job for each task, family and seed. `make figures`
# starts it after PROPER, and so does
#     snakemake --snakefile workflow/shifts.smk --config out=build/elsewhere
import sys

sys.path.insert(0, "workflow")
from rooms import needs

from lore_core.evaluation import shift_rows, trial_rows, worlds

PYTHON = sys.executable
OUT, WORK = config.get("out", "figures"), config.get("work", "build/perfit")
RESULTS = [
    f"{WORK}/{task}/{family.replace(' ', '_')}/{seed}.csv"
    for task in worlds.TASKS
    for family in shift_rows.FAMILIES
    for seed in worlds.SEEDS
]
TRIALS = [f"{WORK}/trials/{trial.replace(' ', '_')}.csv" for trial in trial_rows.TRIALS]


rule all:
    input:
        expand("{out}/{table}.csv", out=OUT, table=["perfit", "shift_ranks", "trials"]),


rule table:
    input:
        RESULTS,
    output:
        OUT + "/perfit.csv",
    shell:
        "{PYTHON:q} workflow/shifts.py --table {output:q} {input:q}"


rule family:
    input:
        needs("workflow/shifts.py"),
        "requirements.lock",
    output:
        WORK + "/{task,rating|tag}/{family}/{seed}.csv",
    benchmark:
        WORK + "/{task,rating|tag}/{family}/{seed}.tsv"
    shell:
        "{PYTHON:q} workflow/shifts.py {wildcards.task:q} {wildcards.family:q} {wildcards.seed} {output:q}"


rule ranks:
    input:
        needs("workflow/shifts.py"),
        "requirements.lock",
        "data/shifts.safetensors",
    output:
        OUT + "/shift_ranks.csv",
    shell:
        "{PYTHON:q} workflow/shifts.py --ranks {output:q}"


rule trial:
    input:
        needs("workflow/shifts.py"),
        "requirements.lock",
    output:
        WORK + "/trials/{trial}.csv",
    shell:
        "{PYTHON:q} workflow/shifts.py --trial {wildcards.trial:q} {output:q}"


rule trials:
    input:
        TRIALS,
    output:
        OUT + "/trials.csv",
    shell:
        "{PYTHON:q} workflow/shifts.py --trials {output:q} {input:q}"
