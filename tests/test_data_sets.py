"""Lesson 12 on several data sets at once: workflow/data_sets.smk on tables that the test makes."""

import json
import subprocess
import sys

import nbformat
import pandas as pd
import pytest
from worlds import people

from lore_core.tools import draws
from lore_core.tools.paths import ROOT

SMALL = {"splits": [0], "n_people": 20, "n_users": 60}


def batch(out, sources):
    """Run the workflow: its exit code, and what it said."""
    config = {"sources": [str(one) for one in sources], "out": str(out), "parameters": SMALL}
    path = out.with_suffix(".json")
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/data_sets.smk"]
    command += ["--nolock", "--configfile", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def write(path, shuffled=False):
    """People with planted tastes as a table of embeddings; or everybody's pairs dealt out anew."""
    responses, pairs = people()
    user = pairs.user[draws.order(draws.generator(0), len(pairs))] if shuffled else pairs.user
    sides = {
        side: responses.embeddings[getattr(pairs, side)].tolist() for side in ("chosen", "rejected")
    }
    columns = {"user": user.tolist(), "prompt": responses.prompt[pairs.chosen].tolist()}
    pd.DataFrame(columns | sides).to_json(path, orient="records", lines=True)
    return path


@pytest.mark.lesson
def test_every_data_set_gets_a_lesson_of_its_own_and_a_report(tmp_path):
    sources = write(tmp_path / "planted.jsonl"), write(tmp_path / "dealt.jsonl", shuffled=True)
    code, said = batch(tmp_path / "out", sources)
    assert code == 0, said
    verdicts = {}
    for name in ("planted", "dealt"):
        folder = tmp_path / "out" / name
        page = (folder / "report" / "report.html").read_text(encoding="utf-8")
        verdicts[name] = "<p>Yes." in page
        lesson = nbformat.read(folder / "lesson.ipynb", 4)
        assert any(f"{name}.jsonl" in cell.source for cell in lesson.cells)
        assert (folder / "figures" / "12_few_pairs.svg").is_file()
    assert verdicts == {"planted": True, "dealt": False}


@pytest.mark.parametrize(
    "sources, message",
    [
        (["prizm"], "'prizm' is no data set; expected one of alpaca_eval, "),
        (["a/people.csv", "b/people.csv"], "have one name; rename a file"),
    ],
)
def test_a_source_that_cannot_be_is_named_before_anything_runs(sources, message, tmp_path):
    code, said = batch(tmp_path / "out", sources)
    assert code != 0 and message in said
