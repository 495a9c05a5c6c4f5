"""For maintainers: execute notebooks in place and keep them clean.

- `lessons.py`: every lesson and solution
- `lessons.py notebooks/03_*.ipynb`: these
- `lessons.py notebooks/03_new.py`: a draft in jupytext's percent format becomes 03_new.ipynb
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from lore_core.tools.files import whole

ROOT = Path(__file__).parents[1]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def without_traces(notebook: dict) -> None:
    """Take out, in place, what kernels, timers and editors write about themselves."""
    notebook["metadata"] = nbformat.from_dict(METADATA)
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags")
        cell["metadata"] = nbformat.from_dict({"tags": tags} if tags else {})


def as_committed(path: str, model: dict, **_) -> None:
    """Before JupyterLab saves (`make lab`): a lesson that was only opened stays as it was."""
    if model["type"] == "notebook" and path.strip("/").startswith("notebooks/"):
        without_traces(model["content"])


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Only what a reader needs, cells numbered in order."""
    without_traces(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.pop("attachments", None)
    return notebook


def text(notebook: nbformat.NotebookNode) -> str:
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def execute(path: Path) -> str | None:
    """What went wrong, if anything. A notebook that fails stays as it was."""
    notebook = clean(jupytext.read(path))
    place = {"metadata": {"path": str(path.parent)}}
    try:
        NotebookClient(notebook, timeout=900, coalesce_streams=True, resources=place).execute()
    except CellExecutionError as error:
        return f"{path.name}: {error}"
    with whole(path.with_suffix(".ipynb")) as unfinished:
        unfinished.write_text(text(clean(notebook)), encoding="utf-8")
    print(f"  executed {path.relative_to(ROOT).with_suffix('.ipynb')}", flush=True)
    return None


if __name__ == "__main__":
    everything = sorted((ROOT / "notebooks").glob("**/[0-9]*.ipynb"))
    paths = [Path(name).resolve() for name in sys.argv[1:]] or everything
    with ProcessPoolExecutor(2) as pool:
        problems = [problem for problem in pool.map(execute, paths) if problem]
    sys.exit("\n".join(problems) or None)
