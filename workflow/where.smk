# Where in the small language model a shift of everybody's states helps, what a profile in the prompt
# does, and what it costs to serve a user (lesson 10). `make figures-model` starts it last, and so does
#     snakemake --snakefile workflow/where.smk --config source=FOLDER_OF_TEXTS
import sys

sys.path.insert(0, "workflow")
from rooms import needs

from lore_core.evaluation import where_rows

PYTHON = sys.executable
OUT, WORK = config.get("out", "figures"), config.get("work", "build/where")
SOURCE = config.get("source") or "public"
FILES = expand("{work}/{layer}.csv", work=WORK, layer=where_rows.LAYERS)


rule all:
    input:
        OUT + "/where.csv",
        OUT + "/profiles.csv",
        OUT + "/persons.csv",
        OUT + "/serving.csv",


rule table:
    input:
        FILES,
    output:
        OUT + "/where.csv",
    shell:
        "{PYTHON:q} workflow/where.py --table {output:q} {input:q}"


rule layer:
    input:
        needs("workflow/where.py"),
        "requirements.lock",
    output:
        WORK + "/{layer}.csv",
    benchmark:
        WORK + "/{layer}.tsv"
    shell:
        "OMP_NUM_THREADS=1 {PYTHON:q} workflow/where.py {SOURCE:q} {wildcards.layer} {output:q}"


rule profiles:
    input:
        needs("workflow/profiles.py"),
        "requirements.lock",
    output:
        OUT + "/profiles.csv",
        OUT + "/persons.csv",
    shell:
        "{PYTHON:q} workflow/profiles.py {SOURCE:q} {output:q}"


rule serving:
    input:
        needs("workflow/serving.py"),
        "requirements.lock",
    output:
        OUT + "/serving.csv",
    shell:
        "OMP_NUM_THREADS=1 {PYTHON:q} workflow/serving.py {output:q}"
