"""The table at the end of `make course`: lesson, seconds, figures, and a reproduction report."""

import json

import compare
import receipts

NOTE = """
Figures and their numbers are in build/figures/. As committed: every number is within {absolute:g}
of the one in figures/, or within {relative:.0%} of it."""


def has_failed(lesson: str) -> bool:
    """No receipt, and a copy that ends in an error. (No copy: it was not run.)"""
    try:
        cells = json.loads(receipts.executed(lesson).read_text())["cells"]
    except (OSError, ValueError, KeyError, TypeError):  # no copy, or something else
        return False
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return any(output["output_type"] == "error" for output in outputs)


def row(lesson: str) -> tuple[str, ...]:
    if receipt := receipts.read(lesson):
        pictures = [name for name in receipt["figures"] if name.endswith(".svg")]
        numbers = compare.report(lesson, receipts.FIGURES, receipt["figures"])
        return lesson, f"{receipt['seconds']:.1f}", ", ".join(pictures) or "none", numbers
    if has_failed(lesson):
        return lesson, "failed", f"see build/{lesson}.ipynb", ""
    return lesson, "not run", "", ""


def show() -> None:
    rows = [("lesson", "seconds", "figures", "numbers"), *map(row, receipts.lessons())]
    names, _, figures, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    print()
    for lesson, seconds, drawn, numbers in rows:
        print(f"{lesson:<{names}}  {seconds:>7}  {drawn:<{figures}}  {numbers}".rstrip())
    print(NOTE.format(absolute=compare.ABSOLUTE, relative=compare.RELATIVE))


if __name__ == "__main__":
    show()
