# The full comparison: every method on every crowd, then the tables. Each method on each crowd is a
# job of its own, so an interrupted run goes on where it stopped. `make figures` starts it with
# profiles/full.yaml; another configuration makes another comparison.
import json
import sys
from glob import glob

PYTHON = sys.executable
DRAWING = {"lore_core/plotting/plots.py", "lore_core/plotting/style.py", "lore_core/evaluation/tables.py"}  # train nothing
LIBRARY = sorted(set(glob("lore_core/**/*.py", recursive=True)) - DRAWING)
DATA = sorted(glob("data/*.safetensors"))
SAME_FOR_ALL = ("n_seen", "n_unseen", "n_pairs", "pool", "counts", "repeats", "shots", "seed")
RESULTS = [
    f"{config['work']}/{concentration}/{method}.safetensors"
    for concentration in config["concentrations"]
    for method in config["methods"] + config["asides"] * (concentration == config["concentrations"][0])
]


wildcard_constraints:
    concentration=r"[0-9.]+",


rule tables:
    input:
        RESULTS,
        "lore_core/evaluation/tables.py",
        script="workflow/tables.py",
    output:
        expand("{out}/{table}.csv", out=config["out"], table=["table_1", "few_shot", "best_of_n"]),
        f"{config['out']}/tables.sha256",
    params:
        config=json.dumps(config),
    shell:
        "{PYTHON:q} {input.script:q} {params.config:q} {RESULTS:q}"


rule compete:
    input:
        LIBRARY,
        DATA,
        "requirements.lock",
        script="workflow/compete.py",
    output:
        "{work}/{{concentration}}/{{method}}.safetensors".format(work=config["work"]),
    params:
        rules=lambda wildcards: json.dumps(
            {key: config[key] for key in SAME_FOR_ALL}
            | {"concentration": float(wildcards.concentration)}
        ),
    shell:
        "{PYTHON:q} {input.script:q} {wildcards.method:q} {params.rules:q} {output:q}"
