"""For maintainers: execute notebooks in place and keep them clean.

- `lessons.py`: every lesson and solution
- `lessons.py notebooks/03_*.ipynb`: these
- `lessons.py notebooks/03_new.py`: a draft in jupytext's percent format becomes 03_new.ipynb
- `lessons.py --check`: execute nothing; fail if a notebook is not as this tool leaves it
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[1]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def committed() -> list[Path]:
    notebooks = ROOT / "notebooks"
    return sorted(notebooks.glob("*.ipynb")) + sorted(notebooks.glob("solutions/*.ipynb"))


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Only what a reader needs: no timings, no tool's metadata, cells numbered in order."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata = {"tags": cell.metadata.tags} if cell.metadata.get("tags") else {}
        cell.pop("attachments", None)
    return notebook


def text(notebook: nbformat.NotebookNode) -> str:
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def write(path: Path, content: str) -> None:
    """All or nothing."""
    half = path.with_suffix(".part")
    half.write_text(content, encoding="utf-8")
    os.replace(half, path)


def execute(path: Path) -> str | None:
    """What went wrong, if anything. A notebook that fails stays as it was."""
    notebook = clean(jupytext.read(path))
    place = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=900, coalesce_streams=True, resources=place)
    try:
        client.execute()
    except CellExecutionError as error:
        return f"{path.name}: {error}"
    write(path.with_suffix(".ipynb"), text(clean(notebook)))
    print(f"  executed {path.relative_to(ROOT).with_suffix('.ipynb')}", flush=True)


def is_clean(path: Path) -> bool:
    content = path.read_text(encoding="utf-8")
    return content == text(clean(nbformat.reads(content, as_version=4)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of them")
    parser.add_argument("--check", action="store_true", help="execute nothing, only look")
    options = parser.parse_args()
    paths = [path.resolve() for path in options.notebooks] or committed()
    if options.check:
        problems = [f"not clean: {path.relative_to(ROOT)}" for path in paths if not is_clean(path)]
    else:
        with ProcessPoolExecutor(2) as pool:
            problems = [problem for problem in pool.map(execute, paths) if problem]
    print("\n".join(problems), end="\n" if problems else "")
    return len(problems) > 0


if __name__ == "__main__":
    sys.exit(main())
