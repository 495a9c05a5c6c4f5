"""What stands on what: found from the imports, and drawn in CONTRIBUTING.md."""

import json
import re

import pytest
import rooms
from headless import LESSONS, each

from lore_core import datasets

LOADERS = "lore_core.datasets."
PAGE = rooms.PAGE.read_text(encoding="utf-8")


def notebook(path, *cells):
    kinds = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps({"cells": kinds}))
    return path


def names(path):
    return rooms.reached(rooms.imported(path))


@pytest.mark.parametrize(
    "statement",
    [
        "import lore_core.tools.ragged",
        "import lore_core.tools.ragged as r",
        "from lore_core.tools import ragged",
        "from lore_core.tools.ragged import anything",
        "%matplotlib inline\ndef later():\n    from lore_core.tools import ragged",
    ],
)
def test_an_import_reaches_the_module_and_the_packages_around_it(statement, tmp_path):
    found = names(notebook(tmp_path / "one.ipynb", "1", statement))
    assert {"lore_core", "lore_core.tools", "lore_core.tools.ragged"} <= found


def test_the_door_reaches_what_stands_behind_it_and_no_method(tmp_path):
    found = names(notebook(tmp_path / "one.ipynb", "from lore_core import accuracy"))
    assert {"lore_core", "lore_core.fit", "lore_core.tools.checks"} <= found
    assert not any(
        module.startswith(("lore_core.methods", "lore_core.plotting")) for module in found
    )


@pytest.mark.parametrize("content", ["", "{", "{}", '{"cells": [{"cell_type": "code"}]}'])
def test_a_broken_notebook_stands_on_nothing_and_stops_nobody(content, tmp_path):
    (tmp_path / "one.ipynb").write_text(content)
    assert names(tmp_path / "one.ipynb") == set()


@each(LESSONS)
def test_a_lesson_stands_on_its_own_loaders_alone(path):
    loaders = {LOADERS + name for name in datasets.known()}
    own = rooms.reached({name for name in rooms.imported(path) if name.startswith(LOADERS)})
    assert names(path) & loaders <= own


def test_training_stands_on_methods_and_on_no_drawing():
    files = set(rooms.needs("workflow/benchmark.py"))
    assert {"lore_core/methods/vpl.py", "lore_core/evaluation/study.py"} <= files
    assert not {"lore_core/plotting/style.py", "lore_core/evaluation/tables.py"} & files


def test_a_run_of_one_method_stands_on_that_method():
    doors = {"lore_core.methods": set(), "lore_core.methods.registry": {"lore_core.methods.vpl"}}
    files = set(rooms.needs("workflow/benchmark.py", instead=doors))
    assert {"lore_core/methods/vpl.py", "lore_core/methods/protocol.py"} <= files
    assert not {"lore_core/methods/pal.py", "lore_core/methods/registry.py"} & files


def test_a_loader_stands_on_its_data():
    assert "data/alpaca_eval.safetensors" in rooms.needs("lore_core/datasets/alpaca_eval.py")
    assert not [f for f in rooms.needs("lore_core/datasets/saved.py") if f.startswith("data/")]


def test_the_drawing_is_current():
    assert rooms.drawing() in PAGE, "make rooms draws it anew"


def test_no_arrow_of_the_drawing_points_upward():
    """Nodes stand in the order of the drawing, those that import first."""
    drawn = PAGE.partition(rooms.BEGIN)[2].partition(rooms.END)[0]
    order = re.findall(r"^    (\w+)(?:\[.*\])?$", drawn, flags=re.M)
    edges = re.findall(r"^    (\w+) --> (\w+)$", drawn, flags=re.M)
    assert edges and [edge for edge in edges if order.index(edge[0]) >= order.index(edge[1])] == []
