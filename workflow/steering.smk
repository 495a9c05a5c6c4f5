# SmolLM2 steered for two users of opposite taste: best of eight, the closed form, and the mixed
# logits of two adapters, against the plain model. Every piece is a job of its own, so an interrupted
# run goes on where it stopped; two run at a time, one thread each.
#     snakemake --snakefile workflow/steering.smk
import sys

sys.path.insert(0, "workflow")
from rooms import needs

PYTHON = sys.executable
WORK = config.get("work", "build/steering")
OUT = config.get("out", "figures")
USERS = ["brevity", "lists"]
CODE = needs("workflow/steering.py") + ["workflow/steering_prompts.txt"]
POLICIES = [f"{WORK}/policy_{k}" for k in range(len(USERS))]
RUN = f"OMP_NUM_THREADS=${{OMP_NUM_THREADS:-1}} {PYTHON} workflow/steering.py"


rule table:
    input:
        CODE,
        people=f"{WORK}/people.safetensors",
        compared=f"{WORK}/compared.json",
        users=expand(WORK + "/{user}.json", user=USERS),
    output:
        f"{OUT}/steering.csv",
    shell:
        "{RUN} table {input.people} {input.compared} {input.users} {output}"


rule people:
    input:
        CODE,
    output:
        f"{WORK}/people.safetensors",
    benchmark:
        f"{WORK}/people.tsv"
    shell:
        "{RUN} people {output}"


rule samples:
    input:
        CODE,
        people=f"{WORK}/people.safetensors",
    output:
        WORK + "/{part}.json",
    wildcard_constraints:
        part="compared|learned",
    benchmark:
        WORK + "/{part}.tsv"
    params:
        part=lambda wildcards: {"learned": "learned from"}.get(wildcards.part, wildcards.part),
    shell:
        "{RUN} samples {params.part:q} {input.people} {output}"


rule policy:
    input:
        CODE,
        people=f"{WORK}/people.safetensors",
        learned=f"{WORK}/learned.json",
    output:
        directory(WORK + "/policy_{k}"),
    benchmark:
        WORK + "/policy_{k}.tsv"
    shell:
        "{RUN} policy {wildcards.k} {input.people} {input.learned} {output}"


rule mixed:
    input:
        CODE,
        people=f"{WORK}/people.safetensors",
        policies=POLICIES,
    output:
        WORK + "/{user}.json",
    wildcard_constraints:
        user="|".join(USERS),
    benchmark:
        WORK + "/{user}.tsv"
    shell:
        "{RUN} mixed {wildcards.user} {input.people} {input.policies} {output}"
