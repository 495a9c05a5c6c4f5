# The runs of a sweep, each a job of its own. `make sweep` starts it (workflow/sweep.py), with a plan of
# checked runs as its configuration. A job on another machine reads this file again, so nothing here
# imports torch.
import json
import sys

PYTHON = sys.executable
WORK = config["work"]


rule all:
    input:
        [f"{WORK}/{name}.safetensors" for name in config["runs"]],


# What a run says, a traceback above all, stands beside where its result would be.
rule run:
    output:
        WORK + "/{name}.safetensors",
    log:
        WORK + "/{name}.log",
    params:
        told=lambda wildcards: json.dumps(config["runs"][wildcards.name]),
    threads: 1
    shell:
        "export OMP_NUM_THREADS={threads} TQDM_DISABLE=1; "
        "{PYTHON:q} workflow/sweep_run.py {params.told:q} {output:q} >{log:q} 2>&1 && "
        "echo '  finished  {wildcards.name}' || {{ echo '  failed    {wildcards.name}'; exit 1; }}"
