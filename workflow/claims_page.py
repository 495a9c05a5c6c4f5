"""The claims as a page of the course: what is said, what the paper has, what we have and where."""

import re
from typing import Any

import formulas
import prose
from claims import LEVELS, Claim, Register, documents

HEAD = """# Claims

<!-- `make claims` writes this page from claims.yml and the files that it names -->

What this page lists is tested: the words stand in the document, and the numbers that they show are
those of a file, to half a unit of the last digit shown unless the row names a tolerance. A
test that fails says that words and numbers have come apart, and the words are changed. No
test asks that a method wins.

- **exact**: the numbers shown are those of the file.
- **shape**: an order, a direction or a rough size is that of the file.
- **not reproducible**: nothing here can hold it, and the row says why.

Square brackets are 95 % intervals. The short names in formulas are explained at [the end](#names).
"""
COLUMNS = ("what is said", "the paper", "ours", "where", "level")


def page(register: Register) -> str:
    """All claims, document by document, then the names that their formulas use."""
    listed = [document for document in documents(register.root) if rows(document, register)]
    parts = [HEAD, count(register), *(section(document, register) for document in listed)]
    return "\n".join([*parts, names(register)])


def count(register: Register) -> str:
    levels = [claim.level for claim in register.claims]
    numbers = ", ".join(f"{levels.count(level)} {level}" for level in LEVELS)
    return f"{len(levels)} claims: {numbers}.\n"


def rows(document: str, register: Register) -> list[Claim]:
    return [claim for claim in register.claims if claim.document == document]


def section(document: str, register: Register) -> str:
    heading = f"## {prose.title(register.root / document)}\n\n[{document}]({document})\n"
    return heading + "\n" + table(COLUMNS, [row(c, register) for c in rows(document, register)])


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def row(claim: Claim, register: Register) -> tuple[str, ...]:
    paper = f"{claim.paper['value']} ({claim.paper['source']})" if claim.paper else ""
    level = f"**{claim.level}**" + (f": {claim.why}" if claim.why else "")
    found = (quoted(claim.says), paper, ours(claim, register), where(claim, register), level)
    return tuple(safe(cell) for cell in found)


def quoted(says: str) -> str:
    """The words without bars around a cell of a table, and without links, which lead elsewhere."""
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", prose.plain(says).strip("| "))


def safe(cell: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", prose.plain(cell))


def ours(claim: Claim, register: Register) -> str:
    """Every number that is shown with what the file has, every comparison in numbers."""
    found = [with_interval(number, formula, register) for number, formula in claim.quotes]
    found += [formulas.in_numbers(f, register.names(f)) for f in claim.holds]
    found += [f"tolerance {claim.tolerance:g}"] if claim.tolerance else []
    return "<br>".join(found)


def with_interval(number: prose.Number, formula: str, register: Register) -> str:
    names = register.names(formula, number)
    found, bounds = formulas.in_numbers(formula, names), formulas.interval(formula, names)
    return found + (f" [{', '.join(map(formulas.words, bounds))}]" if bounds else "")


def where(claim: Claim, register: Register) -> str:
    """The formulas, then the files that they read, or the test."""
    names = set().union(*map(formulas.names_in, claim.formulas))
    files = {register.places[name]["file"] for name in names - {"shown"}}
    files |= {claim.test.partition("::")[0]} - {""}
    code = [f"`{formula}`" for formula in dict.fromkeys(claim.formulas)]
    return "<br>".join([*code, *map(link, sorted(files))])


def link(path: str) -> str:
    return f"[{path}]({path})"


def names(register: Register) -> str:
    """What the names in formulas stand for."""
    found = [
        (f"`{name}`", link(place["file"]), safe(inside(place)))
        for name, place in register.places.items()
    ]
    return "## Names\n\n" + table(("name", "file", "where in it"), found)


def inside(place: dict[str, Any]) -> str:
    key = " / ".join(map(str, place.get("key", [])))
    row = ", ".join(f"{column} {value}" for column, value in place.get("row", {}).items())
    by = f"by {', '.join(place['by'])}" if "by" in place else ""
    text = f"“{prose.plain(place['text'])}”" if "text" in place else ""
    return "; ".join(part for part in (key, row, by, text) if part) or "all of it"
