"""Which settings of a method: those that do best on validation data, for every method alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass

from lore_core.evaluation.study import Study
from lore_core.methods.protocol import Method, Model
from lore_core.tools import draws


@dataclass(frozen=True, eq=False)
class Choice:
    """The candidate that validation chose, its model, and how every candidate did.

    Args:
        method, model: the chosen one.
        settings: in words, those of its settings in which the candidates differ.
        scores: of all candidates, see `validation_score`.
    """

    method: Method
    model: Model
    settings: str
    scores: list[float]


def choose(candidates: list[Method], study: Study, shots: int, seed: int, device=None) -> Choice:
    """Fit every candidate and keep the one that does best on validation data.

    Args:
        candidates: settings of one method.
        study: the data; its tests stay closed.
        shots: pairs that validation users give.
        seed: of the fits, and of the draw of those pairs.
        device: where to compute.

    Raises:
        ValueError: no candidate can be scored.
    """
    if not candidates:
        raise ValueError("no candidates to choose among; give at least one method")
    best, scores = None, []
    for candidate in candidates:
        model = candidate.fit(
            study.responses, study.train, validation=study.validation, seed=seed, device=device
        )
        score = validation_score(model, study, shots, seed)
        if best is None or score > max(scores):
            best = candidate, model
        scores.append(score)
    if best is None or not all(map(math.isfinite, scores)):
        raise ValueError(f"{len(candidates)} candidates have validation scores {scores}")
    return Choice(*best, settings(best[0], candidates), scores)


def settings(method: Method, candidates: list[Method]) -> str:
    """What tells a candidate from the others, such as "rank 6"."""
    own, everybody = leaves(method), [leaves(candidate) for candidate in candidates]
    differ = [path for path in own if any(each.get(path) != own[path] for each in everybody)]
    return ", ".join(f"{path[-1]} {own[path]}" for path in differ)


def leaves(settings, above: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    """The fields of a dataclass, and of those inside it, by where they are."""
    flat = {}
    for field in fields(settings):
        value, path = getattr(settings, field.name), (*above, field.name)
        flat |= leaves(value, path) if is_dataclass(value) else {path: value}
    return flat


def validation_score(model: Model, study: Study, shots: int, seed: int) -> float:
    """Mean accuracy on validation prompts: half seen users, half new ones after `shots`."""
    few = study.validation_shots.subsample(shots, draws.generator(seed))
    new = model.adapt(study.responses, few, seed)
    seen = model.accuracy(study.responses, study.validation).nanmean()
    unseen = model.accuracy(study.responses, study.validation_tests, new).nanmean()
    return float(seen + unseen) / 2
