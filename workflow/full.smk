# The full comparison: every method on every crowd, then the tables. Each method on each crowd is a
# job of its own, so an interrupted run goes on where it stopped. `make figures` starts it with
# profiles/full.yaml; another configuration makes another comparison.
import json
import sys

sys.path.insert(0, "workflow")
from rooms import needs

PYTHON = sys.executable
WORK, OUT, CROWDS = config["work"], config["out"], config["concentrations"]
SAME_FOR_ALL = ("n_seen", "n_unseen", "n_pairs", "pool", "counts", "repeats", "shots", "seed")
METHODS = {CROWDS[0]: config["methods"] + config["asides"]}  # every other crowd: the methods


rule tables:
    input:
        needs("workflow/tables.py"),
        results=[
            f"{WORK}/{crowd}/{method}.safetensors"
            for crowd in CROWDS
            for method in METHODS.get(crowd, config["methods"])
        ],
    output:
        expand("{out}/{table}.csv", out=OUT, table=["table_1", "few_shot", "best_of_n"]),
        f"{OUT}/tables.sha256",
    params:
        config=json.dumps(config),
    shell:
        "{PYTHON:q} workflow/tables.py {params.config:q} {input.results:q}"


rule compete:
    input:
        needs("workflow/compete.py"),
        "requirements.lock",
    output:
        WORK + "/{concentration}/{method}.safetensors",
    benchmark:
        WORK + "/{concentration}/{method}.tsv"
    params:
        rules=lambda wildcards: json.dumps(
            {key: config[key] for key in SAME_FOR_ALL}
            | {"concentration": float(wildcards.concentration)}
        ),
    shell:
        "{PYTHON:q} workflow/compete.py {wildcards.method:q} {params.rules:q} {output:q}"
