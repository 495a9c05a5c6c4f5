"""Do the figures drawn here show the committed numbers?

    compare.py FOLDER      FOLDER/figures/*.json against figures/*.json, for every lesson

Two numbers are the same when they differ by at most 0.02, or by 1 % of the committed one: another
processor adds up in another order, and what is trained passes that on. A few figures show what
hangs on a close choice, and have a bound of their own. Text and names have to be equal. Nothing
here imports torch, so that it starts at once.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
ABSOLUTE, RELATIVE = 0.02, 0.01
# Where training ends in one of two places that are nearly as good, rounding decides which: seen
# with MKL's code for AVX-512 and its compatible one, 0.16 and 0.022 apart. The rank that validation
# chooses for few people is such a near tie, too: 0.025 apart in two orders of sums.
LOOSER = {"12_likes": 0.2, "05_live": 0.03, "12_few_pairs": 0.05}
SAME = "as committed"


def leaves(tree: object, path: str = "") -> dict[str, object]:
    """What hangs in a JSON tree, by path; an empty branch is a leaf."""
    if not isinstance(tree, dict | list) or not tree:
        return {path.removeprefix(" / "): tree}
    branches = tree.items() if isinstance(tree, dict) else enumerate(tree)
    below = [leaves(branch, f"{path} / {key}") for key, branch in branches]
    return {place: leaf for found in below for place, leaf in found.items()}


def differences(fresh: object, committed: object) -> list[tuple[float, str]]:
    """How far two JSON trees are apart, and where, in words; the largest difference first."""
    new, old = leaves(fresh), leaves(committed)
    found = []
    for place in new | old:
        drawn = new.get(place, "missing")
        committed_one = old.get(place, "nothing")
        words = f"{place} is {drawn!s:.40}, committed {committed_one!s:.40}"
        bound = LOOSER.get(place.split(" / ")[0], ABSOLUTE)
        found.append((distance(drawn, committed_one, bound), words))
    return sorted((one for one in found if one[0] > 0), key=lambda one: -one[0])


def distance(fresh: Any, committed: Any, bound: float = ABSOLUTE) -> float:
    """Between two leaves: 0 if they count as the same, infinite if they are not both numbers."""
    if type(fresh) in (int, float) and type(committed) in (int, float):
        size = abs(fresh - committed)
        if size <= max(bound, RELATIVE * abs(committed)):
            return 0
        return math.inf if math.isnan(size) else size
    return 0 if type(fresh) is type(committed) and fresh == committed else math.inf


def read(folder: Path, lesson: str) -> dict[str, object]:
    """What the figures of a lesson show, by name."""
    shown = {}
    for path in sorted(folder.glob(f"{lesson[:2]}_*.json")):
        try:
            shown[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            shown[path.stem] = "not readable"
    return shown


def report(lesson: str, folder: Path) -> str:
    """One line: "as committed", or the largest difference and how many more there are."""
    found = differences(read(folder, lesson), read(ROOT / "figures", lesson))
    more = f" ({len(found) - 1} more differ)" if len(found) > 1 else ""
    return f"{found[0][1]}{more}" if found else SAME


if __name__ == "__main__":
    lines = {lesson: report(lesson, Path(sys.argv[1]) / "figures") for lesson in LESSONS}
    print("\n".join(f"  {lesson:<32} {line}" for lesson, line in lines.items()))
    sys.exit(set(lines.values()) != {SAME})
