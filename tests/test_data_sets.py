"""Lesson 12 on several data sets at once: workflow/data_sets.smk on tables that the test makes."""

import json
import os
import subprocess
import sys
from itertools import product

import hub_files
import nbformat
import pandas as pd
import pytest
from worlds import people

from lore_core.datasets import tldr, twelve_questions
from lore_core.tools import draws
from lore_core.tools.paths import ROOT

SMALL = {"splits": [0], "n_people": 20, "n_users": 60}


def batch(out, sources):
    """Run the workflow: its exit code, and what it said."""
    config = {"sources": [str(one) for one in sources], "out": str(out), "parameters": SMALL}
    path = out.with_suffix(".json")
    path.write_text(json.dumps(config | {"encoder": "minilm"}))
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/data_sets.smk"]
    command += ["--nolock", "--configfile", str(path)]
    here = os.environ | {"LORE_CACHE": str(out.parent / "cache")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=here)
    return done.returncode, done.stdout + done.stderr


def workers(cache):
    """TL;DR's raw files in a cache, of 24 workers: half of them choose the longer summary."""
    texts = twelve_questions.read()
    rows = []
    for number, (post, pair) in enumerate(texts.groupby("prompt").response):
        for worker, turn in product(range(24), range(2)):
            two = sorted(pair.sample(2, random_state=100 * number + worker + 50 * turn), key=len)
            info = {"id": f"t3_{number}", "post": post}
            name = f"worker {worker}"
            rows.append(hub_files.comparison(name, worker % 2, texts=two, info=info))
    hub_files.tldr(cache / tldr.PLACE.name, tldr.PLACE, batch3=rows)


def dealt(path):
    """A table of embeddings: people's pairs, dealt out anew to anybody."""
    responses, pairs = people()
    user = pairs.user[draws.order(draws.generator(0), len(pairs))]
    sides = {
        side: responses.embeddings[getattr(pairs, side)].tolist() for side in ("chosen", "rejected")
    }
    prompt = [f"question {number}" for number in responses.prompt[pairs.chosen].tolist()]
    columns = {"user": user.tolist(), "prompt": prompt}
    pd.DataFrame(columns | sides).to_json(path, orient="records", lines=True)
    return path


@pytest.mark.lesson
def test_every_data_set_gets_a_lesson_of_its_own_and_a_report(tmp_path):
    workers(tmp_path / "cache")
    code, said = batch(tmp_path / "out", [dealt(tmp_path / "dealt.jsonl"), "tldr"])
    assert code == 0, said
    verdicts = {}
    for name in ("dealt", "tldr"):
        folder = tmp_path / "out" / name
        page = (folder / "report" / "report.html").read_text(encoding="utf-8")
        verdicts[name] = "<p>Yes." in page
        lesson = nbformat.read(folder / "lesson.ipynb", 4)
        assert any("source = " in cell.source and name in cell.source for cell in lesson.cells)
        assert (folder / "figures" / "12_few_pairs.svg").is_file()
    assert verdicts == {"dealt": False, "tldr": True}


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
