"""Do the figures drawn here show the committed numbers?

    compare.py FOLDER      FOLDER/figures/*.json against figures/*.json, for every lesson

Two numbers are the same when they differ by at most 0.02, or by 1 % of the committed one: another
processor adds up in another order, and what is trained passes that on. Text, names and lengths
have to be equal. Nothing here imports torch, so that it starts at once.
"""

import json
import math
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import receipts

ABSOLUTE, RELATIVE = 0.02, 0.01
SAME = "as committed"
Difference = tuple[float, str]  # its size, and what it is in words


def differences(fresh, committed, where: str = "") -> Iterator[Difference]:
    """Each place where two JSON trees disagree."""
    if isinstance(committed, dict) and isinstance(fresh, dict):
        for key in committed | fresh:
            if key not in fresh:
                yield math.inf, f"{where}{key} is missing"
            elif key not in committed:
                yield math.inf, f"{where}{key} is new"
            else:
                yield from differences(fresh[key], committed[key], f"{where}{key} / ")
    elif isinstance(committed, list) and isinstance(fresh, list):
        if len(fresh) != len(committed):
            yield math.inf, f"{where}{len(fresh)} items instead of {len(committed)}"
        for i, pair in enumerate(zip(fresh, committed, strict=False)):
            yield from differences(*pair, f"{where}{i} / ")
    elif not same(fresh, committed):
        size = abs(fresh - committed) if numbers(fresh, committed) else math.inf
        yield size, f"{where.removesuffix(' / ')} is {short(fresh)}, committed {short(committed)}"


def same(fresh, committed) -> bool:
    if numbers(fresh, committed):
        return math.isclose(fresh, committed, rel_tol=0, abs_tol=tolerance(committed))
    return type(fresh) is type(committed) and fresh == committed


def tolerance(committed: float) -> float:
    return max(ABSOLUTE, RELATIVE * abs(committed))


def short(value) -> str:
    return str(value) if len(str(value)) <= 40 else f"{str(value)[:40]}…"


def numbers(*values) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def read(folder: Path, lesson: str) -> dict[str, object]:
    """What the figures of a lesson show, by name."""
    return {p.stem: shown(p) for p in sorted(folder.glob(f"{lesson.split('_')[0]}_*.json"))}


def shown(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return "not readable"


def report(lesson: str, folder: Path, drawn: Collection[str] | None = None) -> str:
    """One line: "as committed", or the largest difference and how many more there are.

    `drawn` names the files that the lesson wrote; what lies beside them is of an earlier run.
    """
    committed, fresh = read(receipts.COMMITTED, lesson), read(folder, lesson)
    if drawn is not None:
        fresh = {name: numbers for name, numbers in fresh.items() if f"{name}.json" in drawn}
    found = sorted(differences(fresh, committed), key=lambda difference: -difference[0])
    if not found:
        return SAME
    more = f" ({len(found) - 1} more differ)" if len(found) > 1 else ""
    return f"{found[0][1]}{more}"


def main(folder: Path) -> int:
    """The report of all lessons, and 1 if one of them is not as committed."""
    lines = {lesson: report(lesson, folder / "figures") for lesson in receipts.lessons()}
    for lesson, line in lines.items():
        print(f"  {lesson:<32} {line}")
    return int(set(lines.values()) != {SAME})


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
