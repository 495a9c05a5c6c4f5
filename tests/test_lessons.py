"""What every lesson and solution promises, whichever they are: all are found by glob."""

import ast
import re
from pathlib import Path

import lessons
import papermill as pm
import pytest
import yaml
from headless import (
    LESSONS,
    OTHER_CPU,
    ROOT,
    SOLUTIONS,
    code_cells,
    each,
    name,
    noise,
    parameter_cells,
    read,
    run,
)
from jupyter_server.services.contents.largefilemanager import LargeFileManager

NOTEBOOKS = LESSONS + SOLUTIONS
MACHINE_PATH = re.compile(r"(?<![\w.])/(home|root|tmp|work|Users)/|[A-Z]:\\+Users")
TRIAL = ROOT / "tests" / "trial.yaml"


def test_there_are_lessons():
    assert LESSONS, "notebooks/ holds no lesson: every other test here would pass for nothing"


def test_every_lesson_has_solutions_and_the_other_way_round():
    assert list(map(name, SOLUTIONS)) == list(map(name, LESSONS))


@each(NOTEBOOKS)
def test_every_code_cell_was_executed_in_order(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "make lessons executes all of it anew"


@each(NOTEBOOKS)
def test_no_cell_ends_in_an_error_or_writes_to_stderr(path):
    assert noise(code_cells(path)) == []


@each(NOTEBOOKS)
def test_any_python_can_open_it(path):
    """The kernel's name is the one every environment has."""
    assert read(path).metadata.kernelspec.name == "python3"


@each(NOTEBOOKS)
def test_metadata_is_the_notebook_s_own(path):
    """No trace of papermill, widgets, timings or an editor."""
    notebook = read(path)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert {key for cell in notebook.cells for key in cell.metadata} <= {"tags"}


@each(NOTEBOOKS)
def test_a_notebook_is_as_make_lessons_leaves_it(path):
    assert path.read_text(encoding="utf-8") == lessons.text(lessons.clean(read(path)))


@pytest.fixture
def jupyter(tmp_path, monkeypatch):
    """What saves a notebook for JupyterLab, with the hook of `make lab`."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.syspath_prepend(str(ROOT))  # from where `make lab` starts
    [hook] = re.findall(r"pre_save_hook=(\S+)", (ROOT / "Makefile").read_text())
    return LargeFileManager(root_dir=str(tmp_path), pre_save_hook=hook)


def save_as_opened(jupyter, path, edit=None):
    """Open a copy, let the kernel and the editor leave their marks, save; what the file is then."""
    lesson = Path(jupyter.root_dir) / "notebooks" / path.name
    lesson.write_bytes(path.read_bytes())
    model = jupyter.get(f"notebooks/{path.name}", content=True)
    notebook = model["content"]
    notebook["metadata"]["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    notebook["metadata"]["language_info"] |= {"version": "3.99", "file_extension": ".py"}
    notebook["metadata"]["widgets"] = {}
    for cell in notebook["cells"]:
        cell["metadata"] |= {"editable": True, "execution": {"iopub.status.busy": "now"}}
    if edit:
        notebook["cells"][0]["source"] = edit
    jupyter.save(model, f"notebooks/{path.name}")
    return lesson.read_bytes()


@each(NOTEBOOKS)
def test_opening_it_in_jupyterlab_changes_no_byte(path, jupyter):
    assert save_as_opened(jupyter, path) == path.read_bytes()


def test_an_edit_in_jupyterlab_is_kept_and_nothing_else_changes(jupyter):
    edited = read(LESSONS[0])
    edited.cells[0].source = "another title"
    assert save_as_opened(jupyter, LESSONS[0], "another title").decode() == lessons.text(edited)


def test_a_notebook_outside_the_course_is_saved_as_it_is():
    model = {"type": "notebook", "content": {"metadata": {"kernelspec": "R"}, "cells": []}}
    lessons.as_committed(path="mine/some.ipynb", model=model)
    assert model["content"]["metadata"] == {"kernelspec": "R"}


@each(NOTEBOOKS)
def test_no_path_of_one_machine(path):
    notebook = read(path)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/png", None)  # letters without meaning
    assert [m[0] for m in MACHINE_PATH.finditer(str(notebook))] == []


@each(NOTEBOOKS)
def test_cells_are_short(path):
    lengths = [len(cell.source.splitlines()) for cell in code_cells(path)]
    assert max(lengths) <= 20


@each(LESSONS)
def test_parameters_are_literals_in_one_cell(path):
    [cell] = parameter_cells(path)
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.Assign), ast.unparse(statement)
        ast.literal_eval(statement.value)


@each(LESSONS)
def test_figures_go_where_the_reader_says(path):
    assert "out" in pm.inspect_notebook(path)


def trial_parameters(path):
    """Other values than the lesson's own, from tests/trial.yaml."""
    trials = yaml.safe_load(TRIAL.read_text()) or {}
    if path.stem not in trials:
        pytest.fail(f"tests/trial.yaml has no entry {path.stem}: which parameters to try?")
    return trials[path.stem]


@each(LESSONS)
def test_trial_parameters_are_the_lesson_s_and_differ_from_its_own(path):
    trial, own = trial_parameters(path), pm.inspect_notebook(path)
    assert trial.keys() <= own.keys() - {"out"}
    same = [key for key in trial if ast.literal_eval(own[key]["default"]) == trial[key]]
    assert trial and same == []


@pytest.mark.lesson
@each(LESSONS)
def test_lesson_runs_with_other_parameters_on_another_cpu(path, tmp_path, monkeypatch):
    """As an older processor would compute it: with other instructions, sums come out otherwise."""
    for variable, value in ({"TQDM_DISABLE": "1"} | OTHER_CPU).items():
        monkeypatch.setenv(variable, value)
    run(path, "trial", trial_parameters(path), tmp_path)
    assert list(tmp_path.glob("*.svg")) and list(tmp_path.glob("*.json"))
