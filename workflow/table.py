"""The table at the end of `make course`: lesson, seconds, figures."""

import json

import receipts


def has_failed(lesson: str) -> bool:
    """No receipt, and a copy that ends in an error. (No copy: it was not run.)"""
    try:
        cells = json.loads(receipts.executed(lesson).read_text())["cells"]
    except (OSError, ValueError):
        return False
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return any(output["output_type"] == "error" for output in outputs)


def row(lesson: str) -> tuple[str, str, str]:
    if receipt := receipts.read(lesson):
        pictures = [name for name in receipt["figures"] if name.endswith(".svg")]
        return lesson, f"{receipt['seconds']:.1f}", ", ".join(pictures) or "none"
    if has_failed(lesson):
        return lesson, "failed", f"see build/{lesson}.ipynb"
    return lesson, "not run", ""


def show() -> None:
    rows = [("lesson", "seconds", "figures"), *map(row, receipts.lessons())]
    width = max(len(lesson) for lesson, _, _ in rows)
    print()
    for lesson, seconds, figures in rows:
        print(f"{lesson:<{width}}  {seconds:>7}  {figures}".rstrip())


if __name__ == "__main__":
    show()
