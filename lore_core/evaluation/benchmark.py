"""A benchmark: every method is chosen on validation data, then tested, once, on everything.

A seed is one world: its users, their pairs, the split of the prompts, the training. A method's
settings are chosen once, for all seeds; everything else is done in every world anew.

Shapes: N seen users, N' unseen users, S shot counts, R repeats.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lore_core import datasets
from lore_core.evaluation.accuracy import accuracy
from lore_core.evaluation.learning_curve import check_counts, few_shot_accuracy, mean_shots
from lore_core.evaluation.result import Result, another_users, utility
from lore_core.evaluation.selection import select
from lore_core.evaluation.settings import named, whole_numbers
from lore_core.evaluation.study import SEEN, UNSEEN, Study
from lore_core.evaluation.synthetic import Crowd
from lore_core.methods.protocol import Method, Model
from lore_core.tools import checks, draws
from lore_core.tools.devices import Device


@dataclass(frozen=True)
class Benchmark:
    """What is the same for every method.

    Args:
        data: a data set of `lore_core.datasets`, or a file that `datasets.saved` wrote.
        crowd: synthetic users for the data; None takes the data's own people.
        counts: shot counts of the curve.
        repeats: random orders of each new user's pairs.
        shots: the count at which settings are chosen, tables read and responses picked.
        seeds: a world is drawn from each.
        only: the label of the one candidate to take, of a method that has it; None, or a method
            without it, lets validation data choose.
    """

    data: str
    crowd: Crowd | None
    counts: tuple[int, ...]
    repeats: int
    shots: int
    seeds: tuple[int, ...]
    only: str | None = None

    def __post_init__(self) -> None:
        checks.set_field(self, "counts", whole_numbers("counts", self.counts))
        checks.set_field(self, "seeds", whole_numbers("seeds", self.seeds))
        checks.whole_numbers(1, repeats=self.repeats)
        checks.whole_numbers(0, shots=self.shots)
        for seed in self.seeds:
            draws.generator(seed)  # says if it is too large for one
        if self.shots not in self.counts:
            raise ValueError(f"shots is {self.shots}, expected one of the counts {self.counts}")
        if self.crowd is not None:
            checks.instance_of("crowd", self.crowd, Crowd)
            self.check_pool(self.crowd.pool)

    def check_pool(self, pool: int) -> None:
        """Raise a ValueError unless a new user can give as many pairs as the largest count."""
        if max(self.counts) > pool:
            raise ValueError(
                f"counts is {self.counts}, but a new user has a pool of {pool} pairs; "
                "ask for fewer shots, or a larger pool"
            )

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Benchmark:
        """The benchmark of a JSON object that names its fields, and those of its crowd.

        Raises:
            ValueError: a field of it or of its crowd is missing, or unknown.
        """
        told = dict(settings)
        if told.get("crowd") is not None:
            told["crowd"] = named(Crowd, told["crowd"])
        return named(cls, told)

    def studies(self) -> dict[int, Study]:
        """The study of every seed, by its seed."""
        return {seed: self.study(seed) for seed in self.seeds}

    def study(self, seed: int) -> Study:
        """The data, split and ready; the same for every method.

        Args:
            seed: of the users and their pairs, and of the splits.

        Raises:
            ValueError: no crowd is named, and the data set has no people of its own.
        """
        responses, preferences = datasets.load(self.data)
        if self.crowd is not None:
            return self.crowd.study(responses, seed)
        if preferences is None:
            raise ValueError(
                f"{self.data} holds no preferences of real people; name a crowd of synthetic ones"
            )
        return Study.of(responses, preferences, seed)

    def run(
        self,
        candidates: Mapping[str, Method],
        studies: Mapping[int, Study],
        device: Device = None,
    ) -> list[Result]:
        """Choose among a method's candidates on validation data, then test the chosen one.

        Args:
            candidates: label -> settings of one method.
            studies: seed -> study of this benchmark, such as `studies()`.
            device: where to train.

        Returns:
            What the chosen candidate reaches, one result per seed, in the order of the studies.
        """
        for study in studies.values():  # before anything is trained
            check_counts(study.shots, self.counts)
            checks.whole_number("the number of unseen users", study.shots.n_users, at_least=2)
        if self.only is not None and self.only in candidates:
            candidates = {self.only: candidates[self.only]}
        began = time.perf_counter()
        chosen = select(candidates, studies, self.shots, device)
        about = {
            "chosen": chosen.label if len(candidates) > 1 or self.only else "",
            "validation": chosen.scores,
            "seconds to train all candidates, all seeds": round(time.perf_counter() - began, 1),
        }
        return [
            self.test(chosen.models[seed], study, seed, about) for seed, study in studies.items()
        ]

    def test(self, model: Model, study: Study, seed: int, about: Mapping[str, Any]) -> Result:
        """What a model reaches in the world of a seed.

        Args:
            model: learned there.
            study: of that seed.
            seed: of the orders of the shots, and of the method's own draws.
            about: what is known of the model already.
        """
        began = time.perf_counter()
        curve, own = self.curve(model, study, seed)
        result = Result(
            seen=accuracy(model, study.responses, study.tests[SEEN]),
            curve=curve,
            control=another_users(model, study, own),
            utility=utility(model, study, own),
            about={"seed": seed, "parameters": model.parameter_count}
            | dict(about)
            | self.pairs(study),
        )
        result.about["seconds to adapt and test"] = round(time.perf_counter() - began, 1)
        return result

    def curve(self, model: Model, study: Study, seed: int) -> tuple[Tensor, Tensor]:
        """Accuracies (S, R, N'), and what is kept of everybody after `shots` pairs (N', p)."""
        curve, personal = few_shot_accuracy(
            model,
            study.responses,
            study.shots,
            study.tests[UNSEEN],
            counts=self.counts,
            repeats=self.repeats,
            seed=seed,
        )
        return curve, personal[self.counts.index(self.shots), 0]

    def pairs(self, study: Study) -> dict[str, Any]:
        """How many pairs users gave on average: seen ones, and unseen ones at each count."""
        return {
            "pairs of a seen user": float(study.train.counts.double().mean()),
            "pairs of an unseen user": [mean_shots(study.shots, count) for count in self.counts],
        }
