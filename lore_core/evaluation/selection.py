"""Which settings of a method: those that do best on validation data, for every method alike.

One choice holds for all seeds, so that a table's row is of one method and not of several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from lore_core.evaluation.accuracy import accuracy
from lore_core.evaluation.study import Study
from lore_core.methods.protocol import Method, Model
from lore_core.tools import draws
from lore_core.tools.devices import Device


@dataclass(frozen=True, eq=False)
class Selection:
    """The candidate that validation data chose, its models, and how every candidate did.

    Args:
        label: of the chosen candidate.
        models: seed -> what it learned.
        scores: label -> score of all candidates: the mean over seeds of `validation_score`.
    """

    label: str
    models: dict[int, Model]
    scores: dict[str, float]


def select(
    candidates: Mapping[str, Method],
    studies: Mapping[int, Study],
    shots: int,
    device: Device = None,
) -> Selection:
    """Fit every candidate on every seed, and keep the one that does best on validation data.

    Args:
        candidates: label -> settings of one method.
        studies: seed -> the data drawn from it; their tests stay closed. The seed is also that of
            the fit, and of the draw of the validation users' pairs.
        shots: pairs that validation users give.
        device: where to compute.

    Raises:
        ValueError: no candidate can be scored.
    """
    if not candidates:
        raise ValueError("no candidates to choose among; give at least one method")
    if not studies:
        raise ValueError("no studies to choose on; give at least one seed")
    best: tuple[str, dict[int, Model]] | None = None
    scores: dict[str, float] = {}
    for label, candidate in candidates.items():
        models = fit(candidate, studies, device)
        score = fmean(validation_score(models[s], study, shots, s) for s, study in studies.items())
        if best is None or score > max(scores.values()):
            best = label, models
        scores[label] = score
        del models  # only the best ones are kept while the next are fitted
    if best is None or not all(map(math.isfinite, scores.values())):
        raise ValueError(f"the candidates have validation scores {scores}, expected numbers")
    return Selection(label=best[0], models=best[1], scores=scores)


def fit(candidate: Method, studies: Mapping[int, Study], device: Device) -> dict[int, Model]:
    """What a candidate learns from the seen users of every seed."""
    return {
        seed: candidate.fit(
            study.responses, study.train, validation=study.validation, seed=seed, device=device
        )
        for seed, study in studies.items()
    }


def validation_score(model: Model, study: Study, shots: int, seed: int) -> float:
    """Mean accuracy on validation prompts: half seen users, half new ones after `shots`."""
    few = study.validation_shots.subsample(shots, draws.generator(seed))
    new = model.adapt(study.responses, few, seed)
    seen = accuracy(model, study.responses, study.validation).nanmean()
    unseen = accuracy(model, study.responses, study.validation_tests, new).nanmean()
    return float(seen + unseen) / 2
