"""`make course`: what runs again, what the reader is told, and going on after an accident."""

import os
import re
import shutil
import subprocess
import sys
import time

import nbformat
import pytest
from headless import ROOT

SNAKEMAKE = [sys.executable, "-m", "snakemake"]
MAKE = ["make", f"PY={sys.executable}", "STAMP=Makefile"]  # the environment is there
FULL = [*SNAKEMAKE, "--snakefile", "workflow/full.smk", "--configfile", "profiles/full.yaml"]
PARTS = ["Makefile", "Snakefile", "lore_core", "profiles", "requirements.lock", "workflow"]
DRAW = """
import os
from pathlib import Path
folder = Path(os.environ["LORE_OUT"]) / "figures"
folder.mkdir(exist_ok=True)
for end in ("json", "svg"):
    (folder / f"00_one.{end}").write_text("1")
"""
WAIT = """
import time
while Path("../hold").exists():
    time.sleep(0.1)
"""


def run(command, folder):
    """Its exit code, and what it said on both streams."""
    place = {"PYTHONPATH": str(folder), "TQDM_DISABLE": "1"}
    done = subprocess.run(
        command, cwd=folder, env=os.environ | place, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def write(path, *cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, path)


def copy(folder, *more):
    for part in [*PARTS, *more]:
        bring = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        bring(ROOT / part, folder / part)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A course of three lessons: one draws a figure, one fails, one is new and draws nothing."""
    folder = tmp_path_factory.mktemp("small")
    copy(folder)
    for name in ("notebooks", "figures", "data"):
        (folder / name).mkdir()
    for end in ("json", "svg"):
        (folder / "figures" / f"00_one.{end}").write_text("1")
    write(folder / "notebooks" / "00_draws.ipynb", DRAW, WAIT)
    write(folder / "notebooks" / "01_fails.ipynb", "1", "1 / 0", "2")
    write(folder / "notebooks" / "02_new.ipynb", "1")
    return folder


@pytest.mark.lesson
def test_a_failing_lesson_stops_no_other_and_the_table_says_where_and_why(small):
    code, said = run([*MAKE, "course"], small)
    assert code != 0
    assert (
        "failed in cell 2: ZeroDivisionError: division by zero (see build/01_fails.ipynb)" in said
    )
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line[:2].isdigit()}
    assert rows["00_draws"][1:] == ["00_one.svg", "as", "committed"]
    assert rows["02_new"][1:] == ["-", "as", "committed"]
    assert all(float(rows[lesson][0]) > 0 for lesson in ("00_draws", "02_new"))
    assert "goes on from here" in said and "RuleException" not in said


@pytest.mark.lesson
def test_what_is_done_stays_done_and_a_deleted_figure_is_drawn_again(small):
    write(small / "notebooks" / "01_fails.ipynb", "1")
    code, said = run([*MAKE, "course"], small)
    assert code == 0 and "finished  01_fails" in said and "started   00_draws" not in said
    assert "Nothing to be done" in run([*MAKE, "course"], small)[1]
    (small / "build" / "figures" / "00_one.svg").unlink()
    code, said = run([*MAKE, "course"], small)
    assert code == 0 and "started   00_draws" in said and "started   02_new" not in said


@pytest.mark.lesson
def test_two_runs_at_once_are_told_what_to_do_and_a_killed_one_goes_on(small):
    (small / "build" / "figures" / "00_one.svg").unlink()
    (small / "hold").touch()
    first = subprocess.Popen(SNAKEMAKE, cwd=small, stderr=subprocess.DEVNULL)
    try:
        while not any((small / ".snakemake" / "locks").glob("*")) and first.poll() is None:
            time.sleep(0.1)
        told = run([*MAKE, "course"], small)
    finally:
        first.kill()
        first.wait()
        (small / "hold").unlink()
    for code, said in (told, run([*MAKE, "course"], small)):
        assert code != 0 and "wait until the other run has ended" in said
        assert "-m snakemake --unlock" in said
    assert run([*SNAKEMAKE, "--unlock"], small)[0] == 0
    code, said = run([*MAKE, "course"], small)
    assert code == 0 and "finished  00_draws" in said and "started   02_new" not in said


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The course and the full comparison as if all of it had just been run."""
    folder = tmp_path_factory.mktemp("made")
    copy(folder, "figures", "notebooks", "data")
    shutil.copytree(ROOT / "figures", folder / "build" / "figures")
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        shutil.copy(path, folder / "build")
    for outputs in re.findall(r"^ *output: (.*)", plan(folder, "full"), flags=re.M):
        for path in map(folder.joinpath, outputs.split(", ")):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for command in (SNAKEMAKE, FULL):
        assert run([*command, "--touch"], folder)[0] == 0
    return folder


@pytest.fixture
def whole(made, tmp_path):
    return shutil.copytree(made, tmp_path / "whole")


def plan(folder, which):
    """What Snakemake would do."""
    command = {"course": SNAKEMAKE, "full": FULL}[which]
    code, said = run([*command, "--dry-run"], folder)
    assert code == 0, said
    return said


def again(folder, which):
    """The rules that would run."""
    rules = re.findall(r"^(?:local)?rule (\w+):", plan(folder, which), flags=re.M)
    return set(rules) - {"all"}


def change(folder, *modules):
    for module in modules:
        with (folder / "lore_core" / module).open("a") as file:
            file.write("\nCHANGED = True\n")


def test_what_nobody_imports_reruns_nothing(whole):
    (whole / "lore_core" / "datasets" / "unheard_of.py").write_text('"""A new data set."""\n')
    (whole / "data" / "unheard_of.safetensors").touch()
    assert again(whole, "course") == again(whole, "full") == set()


def test_a_figure_s_looks_and_a_table_s_shape_train_nothing(whole):
    change(whole, "plotting/style.py", "evaluation/tables.py")
    assert again(whole, "full") == {"tables"}


def test_a_method_trains_anew_and_reruns_the_lessons_that_import_it_and_no_others(whole):
    change(whole, "methods/vpl.py")
    assert again(whole, "full") == {"tables", "benchmark"}
    lessons = again(whole, "course")
    assert "lesson_05_a_few_shots" in lessons and "lesson_00_start_here" not in lessons


def test_new_tables_rerun_the_lessons_that_show_them_and_no_others(whole):
    (whole / "figures" / "table_1.csv").write_text("another")
    lessons = again(whole, "course")
    assert "lesson_05_a_few_shots" in lessons and "lesson_00_start_here" not in lessons
