# PROPER and its rivals, in full (lesson 9): one job for each task, family and seed. `make figures`
# starts it after the neighbours, and so does
#     snakemake --snakefile workflow/groups.smk --config out=build/elsewhere
import sys

sys.path.insert(0, "workflow")
from rooms import needs

from lore_core.evaluation import group_rows, worlds

PYTHON = sys.executable
OUT, WORK = config.get("out", "figures"), config.get("work", "build/groups")
SEEDS = list(worlds.SEEDS)
RESULTS = [
    f"{WORK}/{task}/{family.replace(' ', '_')}/{seed}.csv"
    for task in worlds.TASKS
    for family in group_rows.FAMILIES
    for seed in group_rows.FEW.get(family, SEEDS)
]


rule all:
    input:
        expand("{out}/{table}.csv", out=OUT, table=["proper", "experts", "headroom"]),


rule table:
    input:
        RESULTS,
    output:
        OUT + "/proper.csv",
    shell:
        "{PYTHON:q} workflow/groups.py --table {output:q} {input:q}"


rule family:
    input:
        needs("workflow/groups.py"),
        "requirements.lock",
    output:
        WORK + "/{task,rating|tag}/{family}/{seed}.csv",
    benchmark:
        WORK + "/{task,rating|tag}/{family}/{seed}.tsv"
    shell:
        "{PYTHON:q} workflow/groups.py {wildcards.task:q} {wildcards.family:q} {wildcards.seed} {output:q}"


rule experts_table:
    input:
        expand(WORK + "/experts/{seed}.csv", seed=SEEDS),
    output:
        OUT + "/experts.csv",
    shell:
        "{PYTHON:q} workflow/groups.py --experts-table {output:q} {input:q}"


rule experts:
    input:
        needs("workflow/groups.py"),
        "requirements.lock",
    output:
        WORK + "/experts/{seed}.csv",
    shell:
        "{PYTHON:q} workflow/groups.py --experts {wildcards.seed} {output:q}"


rule gate:
    input:
        needs("workflow/groups.py"),
        "requirements.lock",
    output:
        OUT + "/headroom.csv",
    shell:
        "{PYTHON:q} workflow/groups.py --gate {output:q}"
