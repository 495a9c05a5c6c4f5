"""The table at the end of `make course`: every lesson, its seconds and figures, and the numbers."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from compare import ABSOLUTE, LESSONS, LOOSER, RELATIVE, ROOT, report

BUILD = ROOT / "build"
NOTE = f"""
Figures and their numbers are in build/figures/. As committed: every number is within {ABSOLUTE:g}
of the one in figures/, or within {RELATIVE:.0%} of it.
(Looser, see workflow/compare.py: {", ".join(LOOSER)}.)"""


def outputs(lesson: str) -> list[str]:
    """The figures that a lesson has to draw: the committed ones. A new lesson leaves a mark."""
    committed = sorted((ROOT / "figures").glob(f"{lesson[:2]}_*.[js]*"))
    return [f"build/figures/{path.name}" for path in committed] or [f"build/{lesson}.done"]


def errors(copy: Path) -> Iterator[str]:
    """Which cells of an executed notebook failed, and what Python said."""
    for cell in json.loads(copy.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                said = f"{output['ename']}: {output['evalue']}".splitlines()[0]
                yield f"cell {cell['execution_count']}: {said}"


def failure(lesson: str) -> str:
    """Why a lesson is not done: its first error, or what was said last."""
    copy, account = BUILD / f"{lesson}.ipynb", BUILD / f"{lesson}.log"
    with suppress(OSError, ValueError, KeyError, StopIteration):
        return f"failed in {next(errors(copy))} (see build/{copy.name})"
    with suppress(OSError, IndexError):
        return f"not finished: {account.read_text().splitlines()[-1]} (see build/{account.name})"
    return "not run"


def row(lesson: str) -> tuple[str, ...]:
    files, clock = list(map(Path, outputs(lesson))), BUILD / f"{lesson}.tsv"
    if not clock.exists() or not all((ROOT / file).exists() for file in files):
        return lesson, "-", "-", failure(lesson)
    seconds = float(clock.read_text().splitlines()[1].split()[0])
    pictures = [file.name for file in files if file.suffix == ".svg"]
    return lesson, f"{seconds:.1f}", ", ".join(pictures) or "-", report(lesson, BUILD / "figures")


if __name__ == "__main__":
    rows = [("lesson", "seconds", "figures", "numbers"), *map(row, LESSONS)]
    a, b, c, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = [f"{one:<{a}}  {two:>{b}}  {three:<{c}}  {four}" for one, two, three, four in rows]
    print("\n".join(["", *lines, NOTE]))
