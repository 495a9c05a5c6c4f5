# Lesson 12 on several data sets, by papermill, two at a time: for each the executed lesson, its
# figures and the report. A source is a table of your own or the name of a data set; a path is
# relative to where you are.
#     snakemake --snakefile workflow/data_sets.smk --config "sources=[electricity, people.csv]"
# More is said the same way: encoder=minilm, out=build/elsewhere, or what else the lesson takes as
# parameters: "parameters={splits: [0, 1, 2, 3, 4]}".
import json
import sys
from pathlib import Path

sys.path.insert(0, "workflow")
from rooms import needs

from lore_core import datasets

LESSON = "notebooks/12_your_own_data.ipynb"
PYTHON = sys.executable
OUT = config.get("out", "build/data_sets")
ASKED = config.get("sources", ["electricity", "train"])
SOURCES = {Path(source).stem: source for source in ASKED}
FILES = {name: source for name, source in SOURCES.items() if Path(source).suffix}
if len(SOURCES) < len(ASKED):
    raise ValueError(f"two of {ASKED} have one name; rename a file")
for name in set(SOURCES) - set(FILES) - set(datasets.known()):
    raise ValueError(f"{name!r} is no data set; expected one of {', '.join(datasets.known())}")


def parameters(name):
    """What papermill hands to the lesson, as YAML; a file by its whole path."""
    source = str(Path(FILES[name]).resolve()) if name in FILES else name
    told = {"source": source, "encoder": config.get("encoder", "smollm2")}
    told |= {"report_in": str(Path(OUT, name, "report").resolve())}
    return json.dumps(told | config.get("parameters", {}))


rule all:
    input:
        expand("{out}/{name}/report/report.html", out=OUT, name=SOURCES),


rule lesson:
    input:
        needs(LESSON),
        lambda wildcards: FILES.get(wildcards.name, []),
        "requirements.lock",
    output:
        OUT + "/{name}/report/report.html",
    log:
        notebook=OUT + "/{name}/lesson.ipynb",
        said=OUT + "/{name}/lesson.log",
    params:
        yaml=lambda wildcards: parameters(wildcards.name),
        place=lambda wildcards: str(Path(OUT, wildcards.name).resolve()),
    shell:
        "LORE_OUT={params.place:q} {PYTHON:q} -m papermill -k python3 --cwd notebooks "
        "--no-progress-bar -y {params.yaml:q} {LESSON} {log.notebook:q} >{log.said:q} 2>&1"
