# The runs of a sweep, each a job of its own. `make sweep` starts it (workflow/sweep.py), with a plan
# that has every run checked. A job on another machine reads this file again, so nothing here imports
# torch.
import json
import sys

PYTHON = sys.executable
with open(config["plan"], encoding="utf-8") as file:
    PLAN = json.load(file)
WORK = PLAN["work"]


rule all:
    input:
        [f"{WORK}/{name}.safetensors" for name in PLAN["runs"]],


# What a run says, a traceback above all, stands beside where its result would be.
rule run:
    output:
        WORK + "/{name}.safetensors",
    log:
        WORK + "/{name}.log",
    params:
        plan=config["plan"],
    threads: 1
    shell:
        "export OMP_NUM_THREADS={threads} TQDM_DISABLE=1; "
        "{PYTHON:q} workflow/sweep_run.py {params.plan:q} {wildcards.name:q} {output:q} >{log:q} 2>&1 && "
        "echo '  finished  {wildcards.name}' || {{ echo '  failed    {wildcards.name}'; exit 1; }}"
