"""The README and the data sheet speak of what is there."""

import json
import re

import pytest
import torch
from headless import LESSONS, ROOT, each
from worlds import planted

README = ROOT / "README.md"
PAGES = [README, ROOT / "data" / "README.md"]


def code(text):
    """What stands in fences, between backticks, or indented."""
    return "\n".join(re.findall(r"```[\s\S]*?```|`[^`\n]+`|^ {4}.*$", text, flags=re.M))


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


def test_the_examples_run(capsys):
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


def test_the_numbers_to_expect_are_those_of_lesson_4():
    blocks = json.loads((ROOT / "figures" / "04_blocks.json").read_text())["blocks"]
    seen, unseen = (blocks[f"{who} users, unseen prompts"] for who in ("seen", "unseen"))
    rows = re.findall(r"^\|[^|]+\| (0\.\d\d) \|$", README.read_text(), flags=re.M)
    shown = (seen["Bradley–Terry"], seen["LoRe"], unseen["LoRe"], seen["another user's weights"])
    assert [float(row) for row in rows] == pytest.approx([s["mean"] for s in shown], abs=0.0051)
