"""Figures are drawn away from the committed ones, and compared with them."""

import html
import json
import re
from xml.etree import ElementTree

import compare
import matplotlib.pyplot as plt
import pytest
from headless import LESSONS, OTHER_CPU, ROOT, SOLUTIONS, code_cells, each, read, run

from lore_core.evaluation import tables
from lore_core.plotting import style

FIGURES = ROOT / "figures"
DRAWN = sorted(FIGURES.glob("*.svg"))


@pytest.mark.parametrize(
    ("fresh", "committed", "said"),
    [
        ({"a": 1}, {"b": 1}, "b is missing, committed 1"),
        ({"a": 1, "b": 1}, {"b": 1}, "a is 1, committed nothing"),
        ([1], [1, 2], "1 is missing, committed 2"),
        ([], [1], "0 is missing, committed 1"),
        ([], {}, "is [], committed {}"),
        (0.5, 0.6, "is 0.5, committed 0.6"),
        (True, 1, "is True, committed 1"),
        ("x", "y", "is x, committed y"),
        (None, 0.0, "is None, committed 0.0"),
        (float("nan"), 0.5, "is nan, committed 0.5"),
    ],
)
def test_differences_are_seen_and_said(fresh, committed, said):
    found = compare.differences({"deep": [fresh]}, {"deep": [committed]})
    assert found and any(words.endswith(said) for _, words in found)


def test_rounding_is_no_difference():
    fresh, committed = {"a": [0.501, 3, None, "x", 1009]}, {"a": [0.5, 3.0, None, "x", 1000]}
    assert compare.differences(fresh, committed) == []


def test_the_report_is_one_line_that_names_the_largest_difference(tmp_path):
    lesson, committed = "05_a_few_shots", FIGURES / "05_live.json"
    for path in FIGURES.glob("05_*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert compare.report(lesson, tmp_path) == "as committed"
    numbers = json.loads(committed.read_text())
    (first, second), old = list(numbers)[:2], json.loads(committed.read_text())
    for method, off in ((first, 0.5), (second, 0.05)):
        numbers[method]["1"]["mean"] = round(numbers[method]["1"]["mean"] + off, 4)
    (tmp_path / committed.name).write_text(json.dumps(numbers))
    new, was = (of[first]["1"]["mean"] for of in (numbers, old))
    assert compare.report(lesson, tmp_path) == (
        f"05_live / {first} / 1 / mean is {new}, committed {was} (1 more differ)"
    )
    (tmp_path / committed.name).unlink()
    missing = r"05_live / .* is missing, committed .* \(\d+ more differ\)"
    assert re.fullmatch(missing, compare.report(lesson, tmp_path))


def test_a_file_that_is_no_json_is_a_difference(tmp_path):
    for path in FIGURES.glob("05_*.json"):
        (tmp_path / path.name).write_text("{")
    assert "05_best_of_n is not readable" in compare.report("05_a_few_shots", tmp_path)


def test_every_figure_belongs_to_a_lesson_and_has_its_numbers():
    stems = {suffix: {p.stem for p in FIGURES.glob(f"*{suffix}")} for suffix in (".svg", ".json")}
    assert stems[".svg"] == stems[".json"] != set()
    assert {stem[:2] for stem in stems[".svg"]} <= {path.stem[:2] for path in LESSONS}


@pytest.mark.parametrize("picture", DRAWN, ids=lambda picture: picture.stem)
def test_every_picture_says_in_words_what_it_shows(picture):
    title = ElementTree.parse(picture).getroot().find("{http://www.w3.org/2000/svg}title")
    assert len(title.text.split()) >= 10


@each(LESSONS + SOLUTIONS)
def test_every_picture_in_a_notebook_has_alternative_text(path):
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    words = [output.metadata.get("image/png", {}).get("alt", "") for output in pictures]
    assert all(len(alt.split()) >= 10 for alt in words)
    linked = re.findall(r"!\[(.*?)\]\(", "".join(cell.source for cell in read(path).cells))
    assert all(len(alt.split()) >= 3 for alt in linked)


def test_a_lesson_stores_the_words_that_its_svg_holds():
    """One text for one figure."""
    outputs = [o for path in LESSONS for cell in code_cells(path) for o in cell.outputs]
    shown = [o.metadata["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})]
    titles = [re.search("<title>(.*?)</title>", svg.read_text(), flags=re.S)[1] for svg in DRAWN]
    assert sorted(shown) == sorted(map(html.unescape, titles))


def committed_files():
    """What is committed and a lesson reads or might write."""
    folders = (ROOT / name for name in ("figures", "data", "notebooks"))
    paths = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in paths if ".ipynb_checkpoints" not in path.parts}


@pytest.mark.lesson
@pytest.mark.parametrize(
    ("lesson", "machine"),
    [
        ("00_start_here", OTHER_CPU | {"OMP_NUM_THREADS": "1"}),
        ("02_a_crowd_of_users", {"OMP_NUM_THREADS": "2"}),
    ],
    ids=["another CPU", "two threads"],
)
def test_a_lesson_changes_nothing_committed_and_says_as_committed(
    lesson, machine, tmp_path, monkeypatch
):
    before = committed_files()
    for variable, value in ({"LORE_OUT": str(tmp_path), "TQDM_DISABLE": "1"} | machine).items():
        monkeypatch.setenv(variable, value)
    run(ROOT / "notebooks" / f"{lesson}.ipynb", "machine", {}, tmp_path / "figures")
    assert committed_files() == before
    assert compare.report(lesson, tmp_path / "figures") == "as committed"


def test_a_reader_s_figures_go_to_build(tmp_path, monkeypatch):
    """Whoever runs a lesson in Jupyter leaves figures/ as it is."""
    monkeypatch.delenv("LORE_OUT", raising=False)
    monkeypatch.setattr(style, "BUILD", tmp_path)
    fig, _ = plt.subplots()
    style.save(fig, "00_none", {"a": 1}, alt="Nothing.")
    plt.close(fig)
    assert (tmp_path / "figures" / "00_none.json").exists()


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "", "..", ".hidden"])
def test_a_figure_stays_in_its_folder(name, tmp_path):
    fig, _ = plt.subplots()
    with pytest.raises(ValueError, match="expected a plain name; say with `out` where it goes"):
        style.save(fig, name, {}, tmp_path / "deep", alt="Nothing.")
    plt.close(fig)
    assert list(tmp_path.iterdir()) == []


def test_lesson_4_shows_what_the_course_promises():
    """At concentration 0.1, on unseen prompts, with the rank that validation chose."""
    shown = json.loads((FIGURES / "04_blocks.json").read_text())
    seen, unseen = (shown["blocks"][f"{who} users, unseen prompts"] for who in ("seen", "unseen"))
    assert (shown["concentration"], shown["shots"]) == (0.1, 9)
    assert seen["LoRe"]["mean"] >= seen["Bradley–Terry"]["mean"] + 0.08
    assert unseen["LoRe"]["mean"] >= seen["LoRe"]["mean"] - 0.02
    for block in (seen, unseen):
        assert block["another user's weights"]["high"] < block["LoRe"]["low"]


def test_lesson_5_shows_what_the_course_promises():
    """At concentration 0.1 no other method is ahead of LoRe after nine pairs."""
    shown = json.loads((FIGURES / "05_few_shot.json").read_text())
    others = shown.keys() - {"LoRe", "LoRe, hardly any prior", "known tastes", "perfect observer"}
    assert len(others) >= 10
    assert all(shown["LoRe"]["9"]["mean"] >= shown[other]["9"]["mean"] for other in others)
    shots = ["1", "2", "3", "5", "9", "15", "20", "30", "50"]
    assert all(list(points) == shots for points in shown.values())
    assert all(p["low"] <= p["mean"] <= p["high"] for c in shown.values() for p in c.values())


def test_the_figures_of_lesson_5_show_the_tables():
    table = tables.read("few_shot").query("concentration == 0.1 and shots == 9")
    shown = json.loads((FIGURES / "05_few_shot.json").read_text())
    means = {method: points["9"]["mean"] for method, points in shown.items()}
    assert means == dict(zip(table.method, table["mean"], strict=True))
