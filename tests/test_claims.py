"""Every claim of claims.yml stands where it is said to stand, and shows the numbers of a file.

A failure says that words and numbers have come apart: the words are to be changed, or the row.
"""

import json
import re

import claims
import formulas
import places
import prose
import pytest
import yaml
from claims_page import page
from headless import ROOT

REGISTER = claims.read()
LESSON = "notebooks/00_small.ipynb"


def row_name(claim):
    return f"{claim.document.removesuffix('.ipynb')}: {prose.plain(claim.says)[:50]}"


@pytest.mark.parametrize("claim", REGISTER.claims, ids=row_name)
def test_a_claim_is_what_its_file_says(claim):
    assert claims.problems(claim, REGISTER) == []


@pytest.mark.parametrize("name", claims.documents())
def test_every_decimal_number_and_percentage_is_claimed_or_is_no_claim(name):
    assert claims.unclaimed(name, REGISTER) == []


def test_every_claim_is_of_a_document_of_the_course():
    assert {claim.document for claim in REGISTER.claims} <= set(claims.documents())


def test_the_register_holds_nothing_idle():
    assert claims.idle(REGISTER) == []


def test_the_example_of_how_to_write_a_row_can_be_read():
    how = (ROOT / "CONTRIBUTING.md").read_text().partition("## A sentence with a number")[2]
    example = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", how, flags=re.S)[0])
    names = {name: places.read(place, ROOT) for name, place in example["places"].items()}
    [rows] = example["claims"].values()
    for formula in [f for row in rows for f in claims.Claim(document="", **row).formulas]:
        assert formulas.value(formula, names) is not None


def test_the_page_is_current():
    assert (ROOT / "CLAIMS.md").read_text() == page(REGISTER), "make claims writes it anew"


# The machinery, on a course of one page and one lesson.

FIGURE = {
    "LoRe": {"mean": 0.8852, "low": 0.8739, "high": 0.8967},
    "Bradley–Terry": {"mean": 0.7174, "low": 0.6913, "high": 0.7445},
    "users": 1200,
    "loss": [-0.9, 0.5],
}
TABLE = """concentration,method,shots,mean,low,high
0.1,LoRe,1,0.8093,0.78,0.83
0.1,LoRe,9,0.8698,0.85,0.89
0.1,"PAL-A, matched",1,0.8006,0.77,0.82
0.1,"PAL-A, matched",9,0.8630,0.84,0.88
1.0,LoRe,9,0.9033,0.89,0.91
"""
OUTPUT = """seen users, unseen prompts
    LoRe    0.885 [0.874, 0.897]
unseen users, unseen prompts
    LoRe    0.866 [0.852, 0.880]
6,440 responses; 47 % of them short
"""
PROSE = """# 0 · Small

LoRe reaches **.89**, new people
0.87 (47 %), of 1,200 users; a loss of −0.90, twice 0.885 is more than 1.7, and the lead is 0.17.
It is ahead by 0.006 to 0.009.
"""
PLACES = {
    "figure": {"file": "figures/a.json"},
    "few": {"file": "t.csv", "row": {"concentration": 0.1}, "by": ["method", "shots"]},
    "alike": {"file": "t.csv", "row": {"concentration": 1.0, "method": "LoRe"}},
    "printed": {"file": LESSON, "text": "unseen users, unseen prompts LoRe {mean} [{low}, {high}]"},
    "share": {"file": LESSON, "text": "{n} responses; {short} % of them"},
}


def notebook(markdown, output):
    shown = [{"output_type": "stream", "name": "stdout", "text": output.splitlines(True)}]
    words = {"cell_type": "markdown", "source": markdown.splitlines(True)}
    code = {"cell_type": "code", "source": ["0.12345"], "outputs": shown}
    return json.dumps({"cells": [words, code]})


@pytest.fixture
def course(tmp_path):
    """A function that writes a course with one claim and reads its register."""
    for folder in ("figures", "notebooks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "README.md").write_text("# A course\n")
    (tmp_path / LESSON).write_text(notebook(PROSE, OUTPUT))
    (tmp_path / "figures" / "a.json").write_text(json.dumps(FIGURE))
    (tmp_path / "t.csv").write_text(TABLE)

    def write(no_claims=(), document=LESSON, **row):
        rows = [row] if row else []
        found = {"places": PLACES, "claims": {document: rows}, "not claims": list(no_claims)}
        (tmp_path / "claims.yml").write_text(yaml.safe_dump(found, allow_unicode=True))
        return claims.read(tmp_path)

    return write


def problems(course, **row):
    register = course(**{"level": "exact", "says": "LoRe reaches **.89**"} | row)
    return claims.problems(register.claims[0], register)


@pytest.mark.parametrize(
    ("says", "shown", "formula"),
    [
        ("LoRe reaches **.89**", ".89", "figure.LoRe.mean"),
        ("new people 0.87", "0.87", "printed.mean"),
        ("new people 0.87", "0.87", 'few["LoRe"][9].mean'),
        ("(47 %)", "47 %", "share.short / 100"),
        ("of 1,200 users", "1,200", "figure.users"),
        ("a loss of −0.90", "−0.90", "figure.loss[0]"),
        ("twice 0.885 is more than 1.7", "1.7", "2 * figure.LoRe.mean > shown"),
        ("the lead is 0.17", "0.17", 'figure.LoRe.mean - figure["Bradley–Terry"].mean'),
        ("the lead is 0.17", "0.17", "max(figure.loss[:]) - 0.33"),
        ("of 1,200 users", "1,200", "600 * count(figure.loss[:])"),
    ],
)
def test_a_number_is_found_wherever_it_lies(says, shown, formula, course):
    assert problems(course, says=says, numbers={shown: formula}) == []


def test_several_numbers_have_as_many_formulas(course):
    lead = 'few.LoRe[:].mean - few["PAL-A, matched"][:].mean'
    row = {"says": "It is ahead by 0.006 to 0.009"}
    both = {"0.006 to 0.009": [f"min({lead})", f"max({lead})"]}
    assert problems(course, **row, numbers=both) == [f"the words show 0.006; min({lead}) is 0.0068"]
    assert problems(course, **row, numbers=both, tolerance=0.001) == []
    [said] = problems(course, **row, numbers={"0.006 to 0.009": f"min({lead})"})
    assert "has 2 numbers, and 1 formulas" in said


@pytest.mark.parametrize("formula", ["alike.mean", "figure.LoRe.low", "2 * 0.5", "shown > 0.9"])
def test_a_wrong_number_is_noticed(formula, course):
    [said] = problems(course, numbers={".89": formula})
    assert said.startswith(f"the words show .89; {formula} is ")


def test_a_number_that_moves_by_more_than_half_of_the_last_digit_is_noticed(course, tmp_path):
    assert problems(course, numbers={".89": "figure.LoRe.mean"}) == []
    moved = json.dumps(FIGURE | {"LoRe": {"mean": 0.8849}})
    (tmp_path / "figures" / "a.json").write_text(moved)
    assert problems(course, numbers={".89": "figure.LoRe.mean"}) != []


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("figure.LoRa.mean", "'LoRa' is not among 'LoRe', 'Bradley–Terry', 'users', 'loss'"),
        ("figure.LoRe.mean.first", "'first' is sought in 0.8852, which has no branches"),
        ("figure.loss[2]", "'2' is not among '0', '1'"),
        ("few.PAL[9].mean", "'PAL' is not among 'LoRe', 'PAL-A, matched'"),
        ("few.LoRe[2].mean", "'2' is not among '1', '9'"),
        ("few.LoRe[:].mean", "is not one number; name a leaf, or take min, max or mean"),
        ("figure.LoRe", "is not one number"),
        ("max(figure.LoRe)", "figure.LoRe has branches 'mean', 'low', 'high'"),
        ("table.mean", "'table' is not among the places of claims.yml"),
        ("figure.LoRe.mean -", "is no formula"),
        ("figure.LoRe.mean / 0", "division by zero"),
    ],
)
def test_what_a_formula_does_not_find_is_said(formula, message, course):
    [said] = problems(course, numbers={".89": formula})
    assert formula in said and message in said


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"file": "b.csv"}, "there is no file b.csv"),
        ({"file": "t.csv"}, "t.csv, {}: 5 rows, expected one; name more columns"),
        ({"file": "t.csv", "row": {"shot": 9}}, r"has no columns \['shot'\], but"),
        ({"file": "t.csv", "row": {"shots": 7}}, "0 rows, expected one"),
        ({"file": "t.csv", "by": ["method"]}, "LoRe: 3 rows, expected one"),
        ({"file": "figures/a.json", "key": ["LoRe", "sd"]}, "'sd' is not among 'mean', 'low'"),
        ({"file": LESSON, "text": "LoRe {mean} ["}, "stands 2 times in 00_small.ipynb"),
        ({"file": LESSON, "text": "VPL {mean} ["}, "stands 0 times in 00_small.ipynb"),
        ({"file": LESSON, "output": "LoRe"}, "is no place, expected file and some of"),
        ({"key": ["LoRe"]}, "is no place"),
    ],
)
def test_a_place_that_is_not_there_is_said(place, message, course, tmp_path):
    course()
    with pytest.raises(ValueError, match=message):
        places.read(place, tmp_path)


def test_the_number_beside_other_words_is_not_taken(course, tmp_path):
    """Unseen users hold the words "seen users" too."""
    course()
    words = "seen users, unseen prompts LoRe {mean} ["
    assert places.read({"file": LESSON, "text": words}, tmp_path) == {"mean": 0.885}


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os')",
        "open('t.csv')",
        "figure.__class__",
        "[1]",
        "(lambda: 1)()",
        "2 ** 9",
        "1 in 2",
    ],
)
def test_a_formula_runs_no_code(formula):
    with pytest.raises(ValueError):
        formulas.value(formula, {"figure": FIGURE})


@pytest.mark.parametrize("says", ["LoRe reaches .89", "LoRe reached **.89**", "a loss of −0.9"])
def test_words_that_no_longer_stand_in_the_lesson_are_noticed(says, course):
    [said] = problems(course, says=says, holds=["1 < 2"])
    assert said == f"{LESSON} does not say (any more): {says}"


def test_it_does_not_matter_where_lines_break(course):
    words = "LoRe reaches **.89**,\n   new people 0.87"
    assert problems(course, says=words, numbers={"0.87": "printed.mean"}) == []


def test_a_number_that_the_words_do_not_show_is_noticed(course):
    assert "does not stand in" in problems(course, numbers={"0.89": "figure.LoRe.mean"})[0]
    assert "needs quotes" in problems(course, numbers={0.89: "figure.LoRe.mean"})[0]


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        ("few.LoRe[9].mean > alike.mean", "0.8698 > 0.9033"),
        ("few[:][9].mean > few[:][1].mean > 0.805", "0.8698, 0.863 > 0.8093, 0.8006 > 0.805"),
        ("abs(figure.LoRe.mean - printed.mean) < 0.01", "0.0192 < 0.01"),
        ("figure.users == 1201", "1,200 = 1,201"),
    ],
)
def test_a_comparison_that_does_not_hold_is_said_in_numbers(comparison, said, course):
    found = problems(course, level="shape", holds=[comparison])
    assert found == [f"{comparison} does not hold: {said}"]


def test_a_comparison_of_several_numbers_has_to_hold_for_each(course):
    row = {"level": "shape", "says": "LoRe reaches"}
    assert problems(course, **row, holds=["few[:][9].mean > few[:][1].mean"]) == []
    assert problems(course, **row, holds=["few[:][9].mean > 0.865"]) != []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"level": "about", "holds": ["1 < 2"]}, "level is 'about', expected one of exact, shape"),
        ({"level": "exact"}, "what is exact has some numbers, holds or test"),
        ({"level": "not reproducible"}, "what is not reproducible says why"),
        (
            {"level": "not reproducible", "why": "so", "holds": ["1 < 2"]},
            "what is not reproducible has no numbers, holds or test",
        ),
        ({"holds": ["1 < 2"], "paper": {"value": "1"}}, "paper has the fields ['value'], expected"),
        ({"holds": "1 < 2"}, "holds is '1 < 2', expected a list"),
        ({"test": "tests/test_claims.py::test_of_nothing"}, "there is no test tests/test_claims"),
    ],
)
def test_a_row_that_is_not_whole_is_noticed(row, message, course, tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_claims.py").touch()
    [said] = problems(course, **row)
    assert message in said


def test_a_field_that_nobody_reads_is_refused(course):
    with pytest.raises(ValueError, match=r"\['hold'\] of .* is not one of \['document', 'says'"):
        course(says="LoRe", level="shape", hold=["1 < 2"])


def test_what_no_claim_shows_is_found(course):
    found = claims.unclaimed(LESSON, course())
    numbers = [".89", "0.87", "47 %", "−0.90", "0.885", "1.7", "0.17", "0.006", "0.009"]
    assert [said.partition(" in: ")[0] for said in found] == numbers


def test_a_claim_covers_what_it_shows_and_nothing_else(course):
    register = course(
        says="reaches **.89**, new people 0.87", level="exact", numbers={".89": "figure.LoRe.mean"}
    )
    found = claims.unclaimed(LESSON, register)
    assert len(found) == 8 and found[0].startswith("0.87 in: ")


def test_a_claim_of_another_document_covers_nothing(course):
    register = course(document="README.md", says="reaches **.89**", level="exact")
    assert len(claims.unclaimed(LESSON, register)) == 9


def test_what_cannot_be_reproduced_is_covered_as_a_whole(course):
    words = "new people 0.87 (47 %)"
    register = course(says=words, level="not reproducible", why="one draw")
    assert len(claims.unclaimed(LESSON, register)) == 7


def test_what_is_no_claim_is_left_out_in_its_document_alone(course):
    pattern = {"pattern": r"a loss of −\d\.\d+", "why": "a setting"}
    assert len(claims.unclaimed(LESSON, course([pattern]))) == 8
    assert len(claims.unclaimed(LESSON, course([pattern | {"in": "README.md"}]))) == 9


@pytest.mark.parametrize(
    "words",
    [
        "`lr=0.5`",
        "$p < 0.05$",
        "$$\n0.5\n$$",
        "```\n0.5\n```",
        "so:\n\n    0.5\n    0.6\n",
        "[here](a_0.5.svg)",
        "<https://x.org/0.5>",
        "<!-- 0.5 -->",
        "version 1.2.3",
        "8B and 47 pairs, 1,200 users",
    ],
)
def test_code_formulas_addresses_and_counts_need_no_claim(words, course, tmp_path):
    (tmp_path / "README.md").write_text(f"# A course\n\n{words}\n")
    assert claims.unclaimed("README.md", course()) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("0.6-0.7", [0.6, 0.7]),
        ("[-0.6, −.7]", [-0.6, -0.7]),
        ("10,800 of 12, and 3e-6.", [10800, 12, 3e-6]),
        ("5 %, 0.5%", [0.05, 0.005]),
        ("MiniLM-L6, 3.11.5, K2, 0.5x", []),
    ],
)
def test_numbers_are_read_as_people_write_them(words, expected):
    assert [number.value for number in prose.numbers(words)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("words", "times"),
    [
        ("0.9", 1),
        ("0.9.", 1),
        ("(0.9)", 1),
        ("0.9 or 0.9", 2),
        ("0.95", 0),
        ("10.9", 0),
        ("0.9.1", 0),
    ],
)
def test_a_number_stands_where_it_is_whole(words, times):
    assert len(prose.places("0.9", words)) == times


def test_idle_places_and_patterns_are_named(course):
    register = course(
        [{"pattern": "nowhere", "why": "so"}, {"pattern": "It is ahead", "why": "so"}],
        says="LoRe",
        level="shape",
        holds=["figure.users > few.LoRe[9].mean + alike.mean + printed.mean"],
    )
    assert claims.idle(register) == ["place share", "not claims: nowhere"]


def test_the_page_shows_what_we_have_with_its_interval_and_where(course):
    paper = {"value": "93.8 %", "source": "Table 1"}
    row = {"level": "exact", "numbers": {".89": "figure.LoRe.mean"}, "paper": paper}
    written = page(course(says="reaches **.89**", **row))
    cells = [
        "reaches **.89**",
        "93.8 % (Table 1)",
        "0.8852 [0.8739, 0.8967]",
        "`figure.LoRe.mean`<br>[figures/a.json](figures/a.json)",
        "**exact**",
    ]
    assert f"| {' | '.join(cells)} |" in written
    assert "1 claims: 1 exact, 0 shape, 0 not reproducible" in written


def test_the_page_shows_no_interval_of_a_difference(course):
    lead = 'figure.LoRe.mean - figure["Bradley–Terry"].mean'
    row = {"says": "the lead is 0.17", "level": "exact", "numbers": {"0.17": lead}}
    assert "| 0.1678 |" in page(course(**row))
