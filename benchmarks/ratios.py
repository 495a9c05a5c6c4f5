"""Ratios on the shipped world: the published procedure's time over ours.

    python -m benchmarks.ratios

Both run in turns in one process; the least time of each counts. The published procedure is timed
for a few steps and counted for all of them: its steps are alike.
"""

from __future__ import annotations

import json
import math
from functools import cache, partial

import torch
from torch import Tensor

from benchmarks import clock, worlds
from benchmarks.published import Training, differences
from lore_core import LowRankReward, Recipe, accuracy, fit_basis, fit_weights
from lore_core.evaluation.study import SEEN, UNSEEN, Study
from lore_core.fit import Fit
from lore_core.objective import Objective
from lore_core.preferences import Preferences
from lore_core.recipes import FEW_SHOT, PAPER, PAPER_FEW_SHOT, FewShot
from lore_core.run import Parameters
from lore_core.scale import training_unit

COUNTS = (1, 2, 5, 9, 20, 50)  # pairs of new users, as in Figure 2
SHOTS = 9
EVERY = 50  # steps between two looks at the published training's accuracy


def first(pairs: Preferences, n: int) -> Preferences:
    """The first n pairs of each user."""
    order = pairs.user.argsort(stable=True)
    place = torch.arange(len(pairs)) - (pairs.counts.cumsum(0) - pairs.counts)[pairs.user[order]]
    keep = order[place < n]
    return Preferences(pairs.user[keep], pairs.chosen[keep], pairs.rejected[keep], pairs.n_users)


def gradient(study: Study) -> dict[str, float]:
    """One gradient: seconds of the published loop, and of ours."""
    responses, recipe = study.responses, Recipe()
    scale = training_unit(responses, study.train, recipe)
    objective = Objective.on(responses, study.train, recipe, scale)
    at = [values.requires_grad_() for values in start(objective)]

    def ours() -> None:
        torch.autograd.grad(objective(*at, 0), at)

    published = Training(differences(responses, study.train), worlds.RANK)
    return clock.least({"published": published.step, "ours": ours})


def whole(study: Study) -> dict[str, float]:
    """The whole fit: the published steps, and ours to its end."""
    published = Training(differences(study.responses, study.train), worlds.RANK)
    ours = partial(fit, study)
    found = clock.least({"published": published.step, "ours": ours}, runs=3)
    return found | {"published": found["published"] * PAPER.steps}


def fit(study: Study) -> Fit:
    """The default fit."""
    return fit_basis(study.responses, study.train, worlds.RANK, validation=study.validation)


@cache
def fitted(study: Study) -> Fit:
    """The default fit, once."""
    return fit(study)


def few_shot(study: Study, count: int, recipe: FewShot = FEW_SHOT) -> dict[str, float]:
    """New users' weights from so many pairs each."""
    reward, shots = fitted(study).reward, first(study.shots, count)
    parts = differences(study.responses, shots)
    published = Training(parts, worlds.RANK, basis=reward.basis)
    ours = partial(fit_weights, reward, study.responses, shots, recipe)
    found = clock.least({"published": published.step, "ours": ours})
    return found | {"published": found["published"] * PAPER_FEW_SHOT.steps}


def curve(study: Study) -> dict[str, float]:
    """Figure 2: the fit, and new users from each count of pairs."""
    parts = [whole(study), *(few_shot(study, count) for count in COUNTS)]
    return {name: sum(part[name] for part in parts) for name in parts[0]}


def to_its_best(study: Study, step: float) -> dict[str, float]:
    """Until the published training's best validation accuracy, and ours until as much.

    Ours has one ridge, which nobody need choose for this, and sees no validation pairs.

    The published steps are taken with our gradient, which is the same; their time is that of the
    plain loop.

    Args:
        study: the data.
        step: seconds of a published step.
    """
    objective = Objective.on(study.responses, study.train, PAPER)
    parameters = Parameters(*start(objective))
    adam = torch.optim.Adam(parameters.parameters(), lr=PAPER.learning_rate)
    scores = {}
    for taken in range(1, PAPER.steps + 1):
        loss = objective(parameters.basis, parameters.logits, taken)
        adam.zero_grad()
        loss.backward()
        adam.step()
        if taken % EVERY == 0:
            reward = LowRankReward(parameters.basis.detach(), parameters.logits.detach())
            scores[taken] = validated(reward, study)
    best = max(scores, key=scores.__getitem__)
    ours = until(study, scores[best])
    reached = {"best": scores[best], "reached": validated(fitted(study).reward, study)}
    return {"published": best * step, "ours": ours} | reached


def until(study: Study, wanted: float) -> float:
    """Seconds of the first of our fits, a step longer each, that validates as well as wanted."""
    ridge = Recipe().ridges[0]
    for steps in range(1, Recipe().steps + 1):
        recipe = Recipe(steps=steps, ridge_basis=ridge, tolerance=0.0)
        ours = partial(fit_basis, study.responses, study.train, worlds.RANK, recipe)
        if validated(ours().reward, study) >= wanted:
            return clock.least({"ours": ours}, runs=3)["ours"]
    return math.nan


def start(objective: Objective, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The published start: normal numbers."""
    draw, kind = torch.Generator().manual_seed(seed), objective.embeddings
    width, users = kind.shape[1], len(objective.pairs.counts)
    basis, logits = (torch.randn(n, worlds.RANK, generator=draw) for n in (width, users))
    return basis.to(kind), logits.to(kind)


def validated(reward: LowRankReward, study: Study) -> float:
    """Mean accuracy on the seen users' validation pairs."""
    return float(accuracy(reward, study.responses, study.validation).nanmean())


def accuracies(study: Study) -> dict[str, float]:
    """What both reach on unseen prompts: a ratio of times says nothing without it."""
    found = {}
    for name, recipe in {"published": PAPER, "ours": Recipe()}.items():
        held = study.validation if recipe.patience else None
        fitted = fit_basis(study.responses, study.train, worlds.RANK, recipe, validation=held)
        few = PAPER_FEW_SHOT if recipe is PAPER else None
        shots = first(study.shots, SHOTS)
        more = [few] if few else []
        new = fit_weights(fitted.reward, study.responses, shots, *more)
        seen = accuracy(fitted.reward, study.responses, study.tests[SEEN])
        unseen = accuracy(fitted.reward, study.responses, study.tests[UNSEEN], new)
        found |= {f"{name}, seen": float(seen.mean()), f"{name}, new": float(unseen.nanmean())}
    return found


def main() -> None:
    """All ratios, as JSON in the last line."""
    study = worlds.shipped()
    rows = {"one gradient": gradient(study), "the fit": whole(study)}
    step = rows["the fit"]["published"] / PAPER.steps
    rows["to the published best"] = to_its_best(study, step)
    new = f"{study.shots.n_users} new users, {SHOTS} pairs"
    rows[new] = few_shot(study, SHOTS)
    rows[f"{new}, centre crowd"] = few_shot(study, SHOTS, FewShot(centre="crowd"))
    rows["the curve of Figure 2"] = curve(study)
    print(json.dumps({"rows": rows, "accuracy": accuracies(study)}))


if __name__ == "__main__":
    main()
