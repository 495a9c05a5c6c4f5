"""The README and the data sheet speak of what is there."""

import re

import pytest
from headless import LESSONS, ROOT, each

README = ROOT / "README.md"
PAGES = [README, ROOT / "data" / "README.md"]


def code(text):
    """What stands in fences and between backticks."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.S))


def local_targets(text):
    """Links and pictures that lead to files of this repository."""
    links = re.findall(r"\]\(<?([^)\s>]+)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    return [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]


def test_commands_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = set(re.findall(r"\bmake ([a-z]+)", code(README.read_text())))
    assert named and named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    missing = [t for t in local_targets(page.read_text()) if not (page.parent / t).exists()]
    assert missing == []


@each(LESSONS)
def test_every_lesson_stands_in_the_table(path):
    rows = [line for line in README.read_text().splitlines() if line.startswith("|")]
    assert any(f"notebooks/{path.name}" in row for row in rows)
