"""What a page or a notebook says in prose, and the numbers in it."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

NO_PROSE = re.compile(
    r"<!--[\s\S]*?-->|```[\s\S]*?```|`[^`]+`|\$\$[\s\S]+?\$\$|\$[^$]+\$"
    r"|\n\n(?: {4}.*(?:\n|$))+"  # a block of code, indented
    r"|\]\([^)\s]*\)|<?https?://[^\s)>]+"
)
MINUS = "(?:(?<![\\w)\\]])[-\N{MINUS SIGN}])?"  # in 0.6-0.7 it is no sign
NUMBER = re.compile(  # none in 8B, 3.11.5 or v2
    rf"(?<![\w.]){MINUS}(?:\d+(?:,\d\d\d)*(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?(?![\w]|\.\d)(?:\s?%)?"
)


class Number(NamedTuple):
    """A number as a sentence shows it, where its letters stand, and its last digit's unit."""

    value: float
    unit: float
    text: str
    start: int
    end: int

    @property
    def rounded(self) -> bool:
        """Whether it is a decimal number or a percentage, and no count."""
        return any(sign in self.text for sign in ".%e")


def text(path: Path) -> str:
    """A Markdown page, or the Markdown cells of a notebook."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    markdown = [cell["source"] for cell in cells(path) if cell["cell_type"] == "markdown"]
    return "\n\n".join("".join(lines) for lines in markdown)


def output(path: Path) -> list[str]:
    """What each cell of a notebook printed, or showed as text; of another file, its text."""
    if path.suffix != ".ipynb":
        return [path.read_text(encoding="utf-8")]
    shown = [output for cell in cells(path) for output in cell.get("outputs", [])]
    found = [one.get("text") or one.get("data", {}).get("text/plain", "") for one in shown]
    return ["".join(lines) for lines in found]


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def title(path: Path) -> str:
    """The first heading."""
    return re.findall(r"^# (.+)$", text(path), flags=re.M)[0]


def plain(words: str) -> str:
    """With single spaces, so that it does not matter where lines break."""
    return " ".join(words.split())


def without_code(words: str) -> str:
    """The same, as long, with dots in place of code, formulas, comments and addresses."""
    return plain(NO_PROSE.sub(lambda found: re.sub(r"\S", "·", found[0]), words))


def numbers(words: str) -> list[Number]:
    """All numbers of a text, in order."""
    return [number(found[0], *found.span()) for found in NUMBER.finditer(words)]


def number(words: str, start: int = 0, end: int = 0) -> Number:
    """What a number's letters say. A percentage is a share of one."""
    digits = words.rstrip("%").strip().replace(",", "").replace("\N{MINUS SIGN}", "-")
    scale = 0.01 if words.endswith("%") else 1
    unit = 10.0 ** int(Decimal(digits).as_tuple().exponent)
    return Number(value=scale * float(digits), unit=scale * unit, text=words, start=start, end=end)


def places(fragment: str, words: str) -> list[tuple[int, int]]:
    """Where a fragment stands in a text, as a whole: 0.9 does not stand in 0.95."""
    whole = rf"(?<![\w.]){re.escape(plain(fragment))}(?!\w|\.\d)"
    return [found.span() for found in re.finditer(whole, words)]
