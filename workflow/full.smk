# A benchmark: every method on every crowd, then the tables. Each method on each crowd is a job of
# its own, so an interrupted run goes on where it stopped. `make figures` starts it with
# profiles/full.yaml; another profile makes another benchmark, of other data or of real people.
import json
import sys
from pathlib import Path

sys.path.insert(0, "workflow")
from rooms import needs

from lore_core import datasets
from lore_core.evaluation.report import PEOPLE, check_methods
from lore_core.methods.registry import REGISTRY

PYTHON = sys.executable
WORK, OUT, DATA = config["work"], config["out"], str(config["data"])
CROWDS = config["concentrations"] or [PEOPLE]  # none drawn: the data set's own
METHODS = {CROWDS[0]: config["methods"] + config["asides"]}  # every other crowd: the methods
TABLES = ["table_1", "few_shot", "best_of_n" if config["concentrations"] else "controls"]
check_methods(config["methods"] + config["asides"], CROWDS == [PEOPLE])
LOADER = f"lore_core/datasets/{DATA}.py"  # found by its name, so that no import shows it
if not Path(LOADER).exists() and not Path(DATA).exists():
    datasets.load(DATA)  # says what there is instead


def crowd(concentration):
    """The synthetic crowd that a job draws, or None for real people."""
    if concentration == PEOPLE:
        return None
    sizes = {key: config[key] for key in ("n_seen", "n_unseen", "n_pairs", "pool")}
    return {"concentration": float(concentration)} | sizes


def candidates(method):
    """The settings that validation data choose among; a ceiling has none."""
    return list(REGISTRY[method].candidates.values()) if method in REGISTRY else []


def stands_on(wildcards):
    """What a job imports: of all methods its own."""
    own = {type(candidate).__module__ for candidate in candidates(wildcards.method)}
    door = {"lore_core.methods": set(), "lore_core.methods.registry": own}
    return needs("workflow/benchmark.py", instead=door)


rule tables:
    input:
        needs("workflow/tables.py"),
        results=[
            f"{WORK}/{crowd}/{method}.safetensors"
            for crowd in CROWDS
            for method in METHODS.get(crowd, config["methods"])
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
        needs(LOADER) if Path(LOADER).exists() else DATA,
        "requirements.lock",
    output:
        WORK + "/{concentration}/{method}.safetensors",
    benchmark:
        WORK + "/{concentration}/{method}.tsv"
    params:
        settings=lambda wildcards: json.dumps(
            {key: config[key] for key in ("data", "counts", "repeats", "shots", "seed")}
            | {"crowd": crowd(wildcards.concentration)}
        ),
        candidates=lambda wildcards: str(candidates(wildcards.method)),
    shell:
        "{PYTHON:q} workflow/benchmark.py {wildcards.method:q} {params.settings:q} {output:q}"
