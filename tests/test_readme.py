"""README, CONTRIBUTING, CHANGELOG, docs, the data sheet and the forms speak of what is there."""

import re
import shlex
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest
import torch
import yaml
from headless import LESSONS, ROOT, each
from worlds import planted

README = ROOT / "README.md"
CONTRIBUTING, CHANGELOG = ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"
SCALE = ROOT / "docs" / "scale.md"
PAGES = [README, CONTRIBUTING, CHANGELOG, SCALE, ROOT / "data" / "README.md"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def code(text):
    """What stands in fences, between backticks, or indented."""
    return "\n".join(re.findall(r"```[\s\S]*?```|`[^`\n]+`|^ {4}.*$", text, flags=re.M))


def local_targets(text):
    """Links and pictures that lead to files of this repository."""
    links = re.findall(r"\]\(<?([^)\s>]+)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    return [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]


def page_name(path):
    return str(path.relative_to(ROOT))


def each_page(pages):
    return pytest.mark.parametrize("page", pages, ids=page_name)


def anchors(text):
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def exists(name):
    """Whether something in a room has this name, or is a module there."""
    room, _, last = name.rpartition(".")
    return hasattr(import_module(room), last) or find_spec(name) is not None


def test_commands_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", code(README.read_text())))
    assert named and named <= targets


@each_page(PAGES)
def test_links_lead_somewhere(page):
    missing = [t for t in local_targets(page.read_text()) if not (page.parent / t).exists()]
    assert missing == []


@each_page([README, CONTRIBUTING])
def test_places_on_a_page_are_headings(page):
    for link in re.findall(r"\]\(([\w./]*#[\w-]+)\)", page.read_text()):
        target, _, place = link.partition("#")
        there = page.parent / target if target else page
        assert place in anchors(there.read_text()), link


@each(LESSONS)
def test_every_lesson_stands_in_the_table(path):
    rows = [line for line in README.read_text().splitlines() if line.startswith("|")]
    assert any(f"notebooks/{path.name}" in row for row in rows)


@each(LESSONS)
def test_every_lesson_can_be_opened_in_colab(path):
    number = int(path.name[:2])
    links = rf"\[{number}\]\(https://colab\S+/blob/main/notebooks/{path.name}\)"
    assert len(re.findall(links, README.read_text())) == 1


def test_the_paper_s_authors_are_those_of_the_citation_file():
    [paper, *_] = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    cited = [f"{a['family-names']}, {a['given-names']}" for a in paper["authors"]]
    [authors] = re.findall(
        r"@inproceedings{bose.*?author += {(.*?)},$", README.read_text(), re.S | re.M
    )
    assert authors.split(" and ") == cited


def test_the_course_is_cited_in_its_newest_release():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert f"version = {{{cited['version']}}}," in README.read_text()


def test_names_lie_where_the_changelog_says():
    newest = CHANGELOG.read_text().split("\n## ")[1]
    rows = re.findall(r"^\| `.* \| (.*) \|$", newest, flags=re.M)
    names = [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]
    assert [name for name in names if not exists(name)] == []


def test_the_drawing_of_the_rooms_has_its_place():
    text = CONTRIBUTING.read_text()
    assert 0 < text.index("<!-- rooms: begin -->") < text.index("<!-- rooms: end -->")


@each_page([form for form in FORMS if form.name != "config.yml"])
def test_a_form_asks_for_each_thing_once_and_needs_something(page):
    form = yaml.safe_load(page.read_text())
    assert form["name"] and form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_the_examples_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example writes a file
    study = planted()
    names = {"embeddings": study.responses.embeddings, "prompt": study.responses.prompt}
    for prefix, pairs in {"": study.train, "new_": study.shots.of_users(torch.arange(20))}.items():
        names |= {
            f"{prefix}{name}": getattr(pairs, name) for name in ("user", "chosen", "rejected")
        }
    for example in re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.S):
        exec(example.replace("n_users=300", f"n_users={study.train.n_users}"), names)
    accuracies = re.findall(r"tensor\(([\d.]+)", capsys.readouterr().out)
    assert len(accuracies) == 4 and all(0.5 < float(a) <= 1 for a in accuracies)


def test_the_way_from_files_to_weights_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    section = SCALE.read_text().split("\n## ")[1]
    before, after = re.findall(r"```python\n(.*?)```", section, flags=re.S)
    names = {}
    exec(before, names)
    for command in re.findall(r"^    python (.*)$", section, flags=re.M):
        subprocess.run([sys.executable, *shlex.split(command)], check=True, timeout=300)
    exec(after, names)
    weights, study = names["weights"], names["study"]
    assert list(weights.index) == list(range(study.shots.n_users))
    assert "tensor([" in capsys.readouterr().out
