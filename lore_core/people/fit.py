"""From a table of preferences to a report: read, describe, embed, find out, fit once more, write.

What is saved is fitted on everybody: the personal method that validation liked best, or one reward
for all where personalising does not pay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lore_core.datasets.world import World
from lore_core.methods.lore import LowRank
from lore_core.methods.protocol import Method, Model
from lore_core.people.findings import LORE, ONE, Findings, candidates, find_out
from lore_core.people.portrait import Portrait, portrait
from lore_core.people.scorer import Scorer
from lore_core.splits import by_prompts, split
from lore_core.tools import draws

KEPT = 0.1  # share of the prompts that the last fit chooses its ridge on


@dataclass(frozen=True, eq=False)
class Study:
    """Everything that a report says.

    Args:
        facts: what the table holds.
        audit: what should be looked at before it is believed.
        findings: does personalising pay?
        portrait: what the basis rewards like.
        scorer: the model, for new text and new people.
        about: where the data came from, and how they were read.
    """

    facts: pd.DataFrame
    audit: pd.DataFrame
    findings: Findings
    portrait: Portrait
    scorer: Scorer
    about: dict[str, Any]


def study(
    world: World,
    facts: pd.DataFrame,
    audit: pd.DataFrame,
    seeds: Sequence[int],
    said: Callable[[str], None],
) -> Study:
    """Find out, and fit what is worth it on everybody.

    Args:
        world: the people and what they rank.
        facts, audit: tables for the report.
        seeds: of the splits.
        said: is told what is being done.

    Raises:
        ValueError: there are too few people or prompts.
    """
    findings = find_out(world.responses, world.preferences, seeds, said)
    said("the chosen model, on everybody")
    lore = everybody(world, findings, LORE)
    assert isinstance(lore, LowRank)
    best = findings.personal if findings.pays else ONE
    model = lore if best == LORE else everybody(world, findings, best)
    return Study(
        facts=facts,
        audit=audit,
        findings=findings,
        portrait=portrait(lore.reward, world.responses),
        scorer=scorer_of(world, model),
        about=world.about,
    )


def everybody(world: World, findings: Findings, name: str) -> Model:
    """A method with the settings that validation chose, fitted on all people."""
    method: Method = candidates(world.preferences.n_users)[name][findings.tested[name].chosen]
    prompts = split(world.responses.prompt.unique(), KEPT, 0.0, draws.generator(0))
    parts = by_prompts(world.responses, world.preferences, prompts)
    return method.fit(world.responses, parts["train"], validation=parts["validation"])


def scorer_of(world: World, model: Model) -> Scorer:
    """The model with the people's names, and what it takes to read new text as theirs was read."""
    about = {key: value for key, value in world.about.items() if key != "scale"}
    names = tuple(world.preferences.user_name(u) for u in range(world.preferences.n_users))
    return Scorer(
        model=model,
        users=names,
        personal=model.personal,
        about=about,
        scale=world.about.get("scale"),
    )


def kept(folder: Path | str, found: Study) -> Path:
    """Write a report's folder: the page, the model, the tables, the figures."""
    from lore_core.people import page  # which brings matplotlib and jinja2

    folder = Path(folder)
    found.scorer.save(folder / "model.safetensors")
    return page.write(folder, found)
