"""What the course claims, and the numbers that it claims it of.

claims.yml lists the claims of README.md and of the lessons; how one is written down stands in
CONTRIBUTING.md. Run by itself, this writes CLAIMS.md, a page with all of them and their numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import formulas
import places
import prose
import yaml

ROOT = Path(__file__).parents[1]
LEVELS = ("exact", "shape", "not reproducible")
SECTIONS = ("places", "claims", "not claims")


@dataclass(frozen=True)
class Claim:
    """Words of a document, and what they stand on.

    Args:
        document: where they stand, from the root.
        says: the words; lines may break elsewhere.
        level: "exact" (the numbers shown are those of a file), "shape" (an order or a rough size
            is), "not reproducible" (nothing here holds it).
        why: why not, or whatever a reader of the row should know.
        paper: the paper's value and its source.
        numbers: what the words show, and the formula of it; of several numbers, a list.
        tolerance: how far both may differ; without it, half a unit of the last digit shown.
        holds: comparisons that the words mean.
        test: a test of this repository that holds the words, `tests/test_x.py::test_y`.
    """

    document: str
    says: str
    level: str
    why: str = ""
    paper: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    tolerance: float | None = None
    holds: list[str] = field(default_factory=list)
    test: str = ""

    @property
    def quotes(self) -> list[tuple[prose.Number, str]]:
        """Each number that is shown, with its formula."""
        found = []
        for fragment, formulas_of_it in self.numbers.items():
            listed = formulas_of_it if isinstance(formulas_of_it, list) else [formulas_of_it]
            numbers = prose.numbers(fragment)
            if len(numbers) != len(listed):
                raise ValueError(
                    f"{fragment!r} has {len(numbers)} numbers, and {len(listed)} formulas"
                )
            found += zip(numbers, listed, strict=True)
        return found

    @property
    def formulas(self) -> list[str]:
        return [formula for _, formula in self.quotes] + self.holds


@dataclass(frozen=True)
class Register:
    """claims.yml: the claims in its order, the places that they name, and what is no claim."""

    root: Path
    places: dict[str, dict[str, Any]]
    claims: list[Claim]
    no_claims: list[dict[str, str]]

    def text(self, document: str) -> str:
        return prose.plain(prose.text(self.root / document))

    def names(self, formula: str, number: prose.Number | None = None) -> dict[str, Any]:
        """What the names of a formula stand for; `shown` is the number that the words show."""
        found: dict[str, Any] = {"shown": number.value} if number else {}
        for name in sorted(formulas.names_in(formula) - found.keys()):
            if name not in self.places:
                raise ValueError(f"{formula}: {name!r} is not among the places of claims.yml")
            found[name] = places.read(self.places[name], self.root)
        return found


def read(root: Path = ROOT) -> Register:
    """The register of a repository.

    Raises:
        ValueError: a section or a field is unknown.
    """
    found = yaml.safe_load((root / "claims.yml").read_text(encoding="utf-8"))
    known(found, SECTIONS)
    rows = [(document, row) for document, rows in found["claims"].items() for row in rows]
    for _, row in rows:
        known(row, [one.name for one in fields(Claim)])
    return Register(
        root=root,
        places=found.get("places", {}),
        claims=[Claim(document=document, **row) for document, row in rows],
        no_claims=found.get("not claims", []),
    )


def known(found: dict[str, Any], expected: Any) -> None:
    unknown = found.keys() - {*expected}
    if unknown:
        raise ValueError(f"{sorted(unknown)} of {str(found):.80} is not one of {list(expected)}")


def problems(claim: Claim, register: Register) -> list[str]:
    """What keeps a claim from being held, in words; of a good one, nothing."""
    try:
        found = [*misshapen(claim), *misplaced(claim, register)]
        return found or [*misquoted(claim, register), *broken(claim, register)]
    except ValueError as error:
        return [str(error)]


def misshapen(claim: Claim) -> Iterator[str]:
    """The fields do not go with each other."""
    tied = bool(claim.numbers or claim.holds or claim.test)
    if claim.level not in LEVELS:
        yield f"level is {claim.level!r}, expected one of {', '.join(LEVELS)}"
    elif tied == (claim.level == LEVELS[-1]):
        yield f"what is {claim.level} has {'no' if tied else 'some'} numbers, holds or test"
    if claim.level == LEVELS[-1] and not claim.why:
        yield "what is not reproducible says why"
    if not isinstance(claim.holds, list):
        yield f"holds is {claim.holds!r}, expected a list"
    if claim.paper and claim.paper.keys() != {"value", "source"}:
        yield f"paper has the fields {sorted(claim.paper)}, expected value and source"


def misplaced(claim: Claim, register: Register) -> Iterator[str]:
    """The words do not stand where they should, or the test does not."""
    says = prose.plain(claim.says)
    if not prose.places(says, register.text(claim.document)):
        yield f"{claim.document} does not say (any more): {says}"
    for fragment in claim.numbers:
        if not isinstance(fragment, str):
            yield f"{fragment} is shown as text, so it needs quotes"
        elif not prose.places(fragment, says):
            yield f"{fragment!r} does not stand in: {says}"
    path, _, name = claim.test.partition("::")
    if path and f"def {name}(" not in (register.root / path).read_text(encoding="utf-8"):
        yield f"there is no test {claim.test}"


def misquoted(claim: Claim, register: Register) -> Iterator[str]:
    """The words show another number than the file holds."""
    for number, formula in claim.quotes:
        names = register.names(formula, number)
        if not agrees(number, formulas.value(formula, names), claim.tolerance):
            found = formulas.in_numbers(formula, names)
            yield f"the words show {number.text}; {formula} is {found}"


def agrees(number: prose.Number, found: Any, tolerance: float | None) -> bool:
    """Whether the words show a number, or a comparison with what they show holds."""
    if isinstance(found, bool | str):
        return found is True
    most = number.unit / 2 if tolerance is None else tolerance
    return abs(found - number.value) <= most + 1e-9  # what arithmetic may lose


def broken(claim: Claim, register: Register) -> Iterator[str]:
    """A comparison does not hold."""
    for formula in claim.holds:
        names = register.names(formula)
        if formulas.value(formula, names) is not True:
            yield f"{formula} does not hold: {formulas.in_numbers(formula, names)}"


def unclaimed(document: str, register: Register) -> list[str]:
    """The decimal numbers and percentages of a document that no claim shows, with words around."""
    text = register.text(document)
    prose_alone = prose.without_code(prose.text(register.root / document))
    covered = {*claimed(document, register), *no_claims(document, register)}
    return [
        f"{number.text} in: {text[max(0, number.start - 60) : number.end + 30]}"
        for number in prose.numbers(prose_alone)
        if number.rounded and not any(a <= number.start < b for a, b in covered)
    ]


def claimed(document: str, register: Register) -> Iterator[tuple[int, int]]:
    """Where the quotes of claims stand. What nothing or a test holds is claimed word by word."""
    text = register.text(document)
    for claim in register.claims:
        says = prose.plain(claim.says)
        fragments = list(claim.numbers) if claim.numbers or claim.holds else [says]
        inside = [span for fragment in fragments for span in prose.places(fragment, says)]
        for start, _ in prose.places(says, text) if claim.document == document else []:
            yield from ((start + a, start + b) for a, b in inside)


def no_claims(document: str, register: Register) -> Iterator[tuple[int, int]]:
    """Where a document has numbers that are no claim."""
    text = register.text(document)
    for row in register.no_claims:
        if row.get("in", document) == document:
            yield from (found.span() for found in re.finditer(row["pattern"], text))


def documents(root: Path = ROOT) -> list[str]:
    """README.md, the lessons and their solutions."""
    notebooks = sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    solutions = sorted((root / "notebooks" / "solutions").glob("[0-9]*.ipynb"))
    return ["README.md", *(str(path.relative_to(root)) for path in [*notebooks, *solutions])]


def idle(register: Register) -> list[str]:
    """What the register could do without: places without a claim, patterns that match nowhere."""
    named = [formulas.names_in(formula) for claim in register.claims for formula in claim.formulas]
    found = [f"place {name}" for name in register.places.keys() - set().union(*named)]
    for row in register.no_claims:
        alone = replace(register, no_claims=[row])
        if not any([*no_claims(document, alone)] for document in documents(register.root)):
            found.append(f"not claims: {row['pattern']}")
    return found


if __name__ == "__main__":
    from claims_page import page

    (ROOT / "CLAIMS.md").write_text(page(read()), encoding="utf-8")
