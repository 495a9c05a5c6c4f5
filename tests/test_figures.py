"""Figures computed now show the numbers of the committed ones."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from headless import LESSONS, ROOT, each, run

from lore_core import style

FIGURES = ROOT / "figures"


def differences(fresh, committed, where=""):
    """One line for each place where two JSON trees disagree."""
    if isinstance(committed, dict) and isinstance(fresh, dict):
        if fresh.keys() != committed.keys():
            yield f"{where}: keys {sorted(fresh)} were {sorted(committed)}"
        for key in fresh.keys() & committed.keys():
            yield from differences(fresh[key], committed[key], f"{where}/{key}")
    elif isinstance(committed, list) and isinstance(fresh, list):
        if len(fresh) != len(committed):
            yield f"{where}: {len(fresh)} items were {len(committed)}"
        for i, pair in enumerate(zip(fresh, committed, strict=False)):
            yield from differences(*pair, f"{where}/{i}")
    elif not same(fresh, committed):
        yield f"{where}: {fresh} was {committed}"


def same(a, b):
    numbers = [isinstance(x, int | float) and not isinstance(x, bool) for x in (a, b)]
    if all(numbers):
        return np.isclose(a, b, rtol=1e-2, atol=0.02, equal_nan=True)
    return type(a) is type(b) and a == b


def numbers(folder, number):
    return {p.name: json.loads(p.read_text()) for p in folder.glob(f"{number}_*.json")}


@pytest.mark.parametrize(
    ("fresh", "committed"),
    [({"a": 1}, {"b": 1}), ([1], [1, 2]), (0.5, 0.6), (True, 1), ("x", "y"), (None, 0.0)],
)
def test_differences_are_seen(fresh, committed):
    assert list(differences({"deep": [fresh]}, {"deep": [committed]}))


def test_rounding_is_no_difference():
    fresh, committed = {"a": [0.501, 3, None, "x"]}, {"a": [0.5, 3.0, None, "x"]}
    assert list(differences(fresh, committed)) == []


def test_every_figure_belongs_to_a_lesson_and_has_its_numbers():
    stems = {suffix: {p.stem for p in FIGURES.glob(f"*{suffix}")} for suffix in (".svg", ".json")}
    assert stems[".svg"] == stems[".json"] != set()
    assert {stem[:2] for stem in stems[".svg"]} <= {path.stem[:2] for path in LESSONS}


def test_a_test_run_can_send_all_figures_elsewhere(tmp_path, monkeypatch):
    """nbval runs lessons as they are, with out="figures"; LORE_OUT keeps figures/ as it is."""
    monkeypatch.setenv("LORE_OUT", str(tmp_path))
    fig, ax = plt.subplots()
    style.save(fig, "00_none", {"a": 1}, "figures")
    plt.close(fig)
    assert (tmp_path / "figures" / "00_none.json").exists()


@each(LESSONS)
def test_figures_show_the_committed_numbers(path, tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    run(path, "default", {}, tmp_path)
    fresh, committed = (numbers(folder, path.stem[:2]) for folder in (tmp_path, FIGURES))
    assert list(differences(fresh, committed)) == []


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
    """At concentration 0.1 no rival is ahead of LoRe after nine pairs."""
    shown = json.loads((FIGURES / "05_few_shot.json").read_text())
    rivals = shown.keys() - {"LoRe", "LoRe, hardly any prior", "known tastes", "perfect observer"}
    assert len(rivals) >= 10
    assert all(shown["LoRe"]["9"]["mean"] >= shown[rival]["9"]["mean"] for rival in rivals)
    shots = ["1", "2", "3", "5", "9", "15", "20", "30", "50"]
    assert all(list(points) == shots for points in shown.values())
    assert all(p["low"] <= p["mean"] <= p["high"] for c in shown.values() for p in c.values())


def test_the_figures_of_lesson_5_show_the_tables():
    table = pd.read_csv(FIGURES / "few_shot.csv").query("concentration == 0.1 and shots == 9")
    shown = json.loads((FIGURES / "05_few_shot.json").read_text())
    means = {method: points["9"]["mean"] for method, points in shown.items()}
    assert means == dict(zip(table.method, table["mean"], strict=True))
