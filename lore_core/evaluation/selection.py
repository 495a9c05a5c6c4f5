"""Which settings of a method: those that do best on validation data, for every method alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lore_core.evaluation.accuracy import accuracy
from lore_core.evaluation.study import Study
from lore_core.methods.protocol import Method, Model
from lore_core.tools import draws
from lore_core.tools.devices import Device


@dataclass(frozen=True, eq=False)
class Selection:
    """The candidate that validation data chose, its model, and how every candidate did.

    Args:
        label: of the chosen candidate.
        model: what it learned.
        scores: label -> score of all candidates, see `validation_score`.
    """

    label: str
    model: Model
    scores: dict[str, float]


def select(
    candidates: Mapping[str, Method],
    study: Study,
    shots: int,
    seed: int,
    device: Device = None,
) -> Selection:
    """Fit every candidate and keep the one that does best on validation data.

    Args:
        candidates: label -> settings of one method.
        study: the data; its tests stay closed.
        shots: pairs that validation users give.
        seed: of the fits, and of the draw of those pairs.
        device: where to compute.

    Raises:
        ValueError: no candidate can be scored.
    """
    if not candidates:
        raise ValueError("no candidates to choose among; give at least one method")
    best: tuple[str, Model] | None = None
    scores: dict[str, float] = {}
    for label, candidate in candidates.items():
        model = candidate.fit(
            study.responses, study.train, validation=study.validation, seed=seed, device=device
        )
        score = validation_score(model, study, shots, seed)
        if best is None or score > max(scores.values()):
            best = label, model
        scores[label] = score
    if best is None or not all(map(math.isfinite, scores.values())):
        raise ValueError(f"the candidates have validation scores {scores}, expected numbers")
    return Selection(label=best[0], model=best[1], scores=scores)


def validation_score(model: Model, study: Study, shots: int, seed: int) -> float:
    """Mean accuracy on validation prompts: half seen users, half new ones after `shots`."""
    few = study.validation_shots.subsample(shots, draws.generator(seed))
    new = model.adapt(study.responses, few, seed)
    seen = accuracy(model, study.responses, study.validation).nanmean()
    unseen = accuracy(model, study.responses, study.validation_tests, new).nanmean()
    return float(seen + unseen) / 2
