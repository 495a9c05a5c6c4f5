# Answers in a user's style: PROPER and its rivals in the upper blocks of SmolLM2. Every family of
# methods is a job of its own, so an interrupted run goes on where it stopped.
#     snakemake --snakefile workflow/style.smk --config source=FOLDER_OF_TEXTS
import sys

sys.path.insert(0, "workflow")
from rooms import needs

PYTHON = sys.executable
WORK = config.get("work", "build/style")
OUT = config.get("out", "figures")
SOURCE = config.get("source") or "public"
FAMILIES = ["PROPER", "crowd", "true groups", "base"]  # the longest first
CODE = needs("workflow/style.py")
RUN = f"OMP_NUM_THREADS={{threads}} {PYTHON} workflow/style.py"
FILES = [f"{WORK}/{family}.json".replace(" ", "_") for family in FAMILIES]
HISTORIES = {  # name of the file -> of the method
    "history": "history in the prompt",
    "another_history": "another user's history in the prompt",
}


rule table:
    input:
        CODE,
        families=[*FILES, *(f"{WORK}/{name}.json" for name in HISTORIES), f"{WORK}/X-LoRA.json"],
    output:
        f"{OUT}/style.csv",
        f"{OUT}/style_texts.csv",
    shell:
        f"{RUN} table {{input.families}} {{output}}"


rule states:
    input:
        CODE,
    output:
        f"{WORK}/states.done",
    threads: 2
    benchmark:
        f"{WORK}/states.tsv"
    shell:
        f"{RUN} states {{SOURCE:q}} {{output}}"


rule population:
    input:
        CODE,
        f"{WORK}/states.done",
    output:
        f"{WORK}/population.safetensors",
    threads: 2
    benchmark:
        f"{WORK}/population.tsv"
    shell:
        f"{RUN} population {{SOURCE:q}} {{output}}"


for place, family in enumerate(FAMILIES):

    rule:
        name:
            f"family_{place}"
        input:
            CODE,
            population=f"{WORK}/population.safetensors",
        output:
            FILES[place],
        benchmark:
            FILES[place].replace(".json", ".tsv")
        priority: len(FAMILIES) - place
        params:
            family=family,
        shell:
            f"{RUN} family {{SOURCE:q}} {{params.family:q}} {{input.population}} {{output}}"


rule history:
    input:
        CODE,
        f"{WORK}/states.done",
    output:
        f"{WORK}/{{name,history|another_history}}.json",
    benchmark:
        f"{WORK}/{{name}}.tsv"
    params:
        method=lambda wildcards: HISTORIES[wildcards.name],
    shell:
        f"{RUN} history {{SOURCE:q}} {{params.method:q}} {{output}}"


# PROPER's own, trained once more: so PROPER's rows stand even if these are lost.
rule experts:
    input:
        CODE,
        population=f"{WORK}/population.safetensors",
    output:
        directory(f"{WORK}/experts"),
    benchmark:
        f"{WORK}/experts.tsv"
    priority: len(FAMILIES)
    shell:
        f"{RUN} experts {{SOURCE:q}} {{input.population}} {{output}}"


rule xlora:
    input:
        CODE,
        population=f"{WORK}/population.safetensors",
        experts=f"{WORK}/experts",
    output:
        f"{WORK}/X-LoRA.json",
    benchmark:
        f"{WORK}/X-LoRA.tsv"
    priority: len(FAMILIES)
    shell:
        f"{RUN} xlora {{SOURCE:q}} {{input.population}} {{input.experts}} {{output}}"
