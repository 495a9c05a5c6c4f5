"""The notebooks, found by glob, and a way to run one without a reader."""

import re
from pathlib import Path

import nbformat
import papermill as pm
import pytest

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
OTHER_CPU = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}  # what torch and MKL obey
COPIES = ROOT / "build" / "test"  # executed copies stay here, to look at after a failure


def name(path):
    return path.stem


def each(paths):
    return pytest.mark.parametrize("path", paths, ids=name)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def parameter_cells(path):
    return [c for c in code_cells(path) if "parameters" in c.metadata.get("tags", [])]


def noise(cells):
    """Outputs no lesson should have: errors, and whatever went to stderr."""
    outputs = [output for cell in cells for output in cell.outputs]
    wrong = [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    return [re.sub(r"\s+", " ", o.get("text") or f"{o.ename}: {o.evalue}")[:200] for o in wrong]


def run(path, purpose, parameters, out):
    """Execute a lesson with papermill; its figures go to `out`, figures/ stays as it is."""
    copy = COPIES / purpose / path.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    pm.execute_notebook(
        path,
        copy,
        parameters=parameters | {"out": str(out)},
        cwd=path.parent,
        kernel_name="python3",
        progress_bar=False,
    )
    assert noise(code_cells(copy)) == [], f"see {copy.relative_to(ROOT)}"
