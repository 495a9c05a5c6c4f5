# A benchmark: every method on every crowd, then the tables. Each method on each crowd is a job of
# its own, all seeds together since they choose its settings together; so an interrupted run goes on
# where it stopped. `make figures` starts it with profiles/full.yaml; another profile makes another
# benchmark, of other data or of real people. workflow/plan.py reads it.
import json
import sys
from pathlib import Path

sys.path.insert(0, "workflow")
import plan
from rooms import data_needs, needs, needs_of_run

from lore_core import datasets
from lore_core.methods.registry import REGISTRY

config |= plan.typed(config)
plan.check(config)
PYTHON = sys.executable
WORK, OUT, SEEDS = config["work"], config["out"], config["seeds"]
METHODS, SETTINGS = plan.methods(config), plan.settings(config)
TABLES = ["table_1", "few_shot", "best_of_n" if config["concentrations"] else "controls"]
TABLES += ["conditions", "few_shot_conditions"] if plan.conditions(config) else []


DATA = {crowd: str(told["data"]) for crowd, told in SETTINGS.items()}
for name in DATA.values():
    if not Path(data_needs(name)[0]).exists():
        datasets.load(name)  # says what there is instead


def candidates(method):
    """The settings that validation data choose among; a ceiling has none."""
    return list(REGISTRY[method].candidates.values()) if method in REGISTRY else []


def stands_on(wildcards):
    """What a job imports, of all methods its own; and its data."""
    found = candidates(wildcards.method)
    return needs_of_run("workflow/benchmark.py", found, DATA[wildcards.crowd])


rule tables:
    input:
        needs("workflow/tables.py"),
        "workflow/plan.py",
        results=[
            f"{WORK}/{crowd}/{method}/{seed}.safetensors"
            for crowd, methods in METHODS.items()
            for method in methods
            for seed in SEEDS
        ],
    output:
        expand("{out}/{table}.csv", out=OUT, table=TABLES),
        f"{OUT}/tables.sha256",
    params:
        config=json.dumps(config),
    shell:
        "{PYTHON:q} workflow/tables.py {params.config:q} {input.results:q}"


rule benchmark:
    input:
        stands_on,
        "requirements.lock",
    output:
        expand(WORK + "/{{crowd}}/{{method}}/{seed}.safetensors", seed=SEEDS),
    benchmark:
        WORK + "/{crowd}/{method}.tsv"
    wildcard_constraints:
        crowd="[^/]+",
        method="[^/]+",
    params:
        settings=lambda wildcards: json.dumps(SETTINGS[wildcards.crowd]),
        candidates=lambda wildcards: str(candidates(wildcards.method)),
    shell:
        "{PYTHON:q} workflow/benchmark.py {wildcards.method:q} {params.settings:q} {output:q}"
