# What stands around LoRe, in full: portfolios (lesson 8) and questions (lesson 11). One job for each
# setting or seed; `make figures` starts it after the full comparison, and so does
#     snakemake --snakefile workflow/neighbours.smk --config out=build/elsewhere
import sys

sys.path.insert(0, "workflow")
from rooms import needs

from lore_core.datasets import alpaca_eval
from lore_core.evaluation import portfolio_rows, question_rows

PYTHON = sys.executable
OUT, WORK = config.get("out", "figures"), config.get("work", "build/neighbours")
SETTINGS = list(portfolio_rows.settings(alpaca_eval.load()))


rule all:
    input:
        expand("{out}/{table}.csv", out=OUT, table=["portfolio", "ladder", "questions"]),


rule portfolio:
    input:
        expand(WORK + "/portfolio/{setting}.csv", setting=SETTINGS),
    output:
        OUT + "/portfolio.csv",
    shell:
        "{PYTHON:q} workflow/portfolio.py --table {output:q} {input:q}"


rule setting:
    input:
        needs("workflow/portfolio.py"),
        "requirements.lock",
    output:
        WORK + "/portfolio/{setting}.csv",
    benchmark:
        WORK + "/portfolio/{setting}.tsv"
    shell:
        "{PYTHON:q} workflow/portfolio.py {wildcards.setting:q} {output:q}"


rule ladder:
    input:
        needs("workflow/portfolio.py"),
        "requirements.lock",
    output:
        OUT + "/ladder.csv",
    shell:
        "{PYTHON:q} workflow/portfolio.py --ladder {output:q}"


rule questions:
    input:
        expand(WORK + "/questions/{seed}.safetensors", seed=question_rows.SEEDS),
    output:
        OUT + "/questions.csv",
    shell:
        "{PYTHON:q} workflow/questions.py --table {output:q} {input:q}"


rule seeds:
    input:
        needs("workflow/questions.py"),
        "requirements.lock",
    output:
        [f"{WORK}/questions/{seed}.safetensors" for seed in question_rows.SEEDS],
    benchmark:
        WORK + "/questions.tsv"
    shell:
        "{PYTHON:q} workflow/questions.py {output:q}"
