"""A benchmark: every method is chosen on validation data, then tested, once, on everything.

Shapes: N seen users, N' unseen users, S shot counts, R repeats.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from lore_core import datasets
from lore_core.evaluation.accuracy import accuracy
from lore_core.evaluation.learning_curve import check_counts, few_shot_accuracy, mean_shots
from lore_core.evaluation.result import Result, another_users, utility
from lore_core.evaluation.selection import select
from lore_core.evaluation.study import SEEN, UNSEEN, Study
from lore_core.evaluation.synthetic import Crowd
from lore_core.methods.protocol import Method, Model
from lore_core.tools import checks
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
        seed: of all draws.
    """

    data: str
    crowd: Crowd | None
    counts: tuple[int, ...]
    repeats: int
    shots: int
    seed: int

    def __post_init__(self) -> None:
        checks.set_field(self, "counts", tuple(self.counts))
        checks.whole_numbers(1, repeats=self.repeats)
        checks.whole_numbers(0, seed=self.seed, shots=self.shots)
        for count in self.counts:
            checks.whole_number("a shot count", count, at_least=0)
        if len(set(self.counts)) < len(self.counts):
            raise ValueError(f"counts is {self.counts}, expected every count once")
        if self.crowd is not None:
            checks.instance_of("crowd", self.crowd, Crowd)
        if self.shots not in self.counts:
            raise ValueError(f"shots is {self.shots}, expected one of the counts {self.counts}")
        if self.crowd is not None and max(self.counts) > self.crowd.pool:
            raise ValueError(
                f"counts is {self.counts}, but a new user has a pool of {self.crowd.pool} pairs; "
                "ask for fewer shots, or a larger pool"
            )

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Benchmark:
        """The benchmark of a JSON object that names its fields, and those of its crowd.

        Raises:
            ValueError: a field is missing, or unknown.
        """
        expected = {field.name for field in fields(cls)}
        if settings.keys() != expected:
            raise ValueError(f"got the settings {sorted(settings)}, expected {sorted(expected)}")
        crowd = settings["crowd"]
        return cls(**{**settings, "crowd": None if crowd is None else Crowd(**crowd)})

    def study(self) -> Study:
        """The data, split and ready; the same for every method.

        Raises:
            ValueError: no crowd is named, and the data set has no people of its own.
        """
        responses, preferences = datasets.load(self.data)
        if self.crowd is not None:
            return self.crowd.study(responses, self.seed)
        if preferences is None:
            raise ValueError(
                f"{self.data} holds no preferences of real people; name a crowd of synthetic ones"
            )
        return Study.of(responses, preferences, self.seed)

    def run(
        self,
        candidates: Mapping[str, Method],
        study: Study,
        device: Device = None,
    ) -> Result:
        """Choose among a method's candidates on validation data, then test the chosen one.

        Args:
            candidates: label -> settings of one method.
            study: of this benchmark.
            device: where to train.
        """
        check_counts(study.shots, self.counts)  # before anything is trained
        checks.whole_number("the number of unseen users", study.shots.n_users, at_least=2)
        began = time.perf_counter()
        chosen = select(candidates, study, self.shots, self.seed, device)
        trained = time.perf_counter()
        curve, own = self.curve(chosen.model, study)
        about = {
            "chosen": chosen.label if len(candidates) > 1 else "",
            "validation": chosen.scores,
            "parameters": chosen.model.parameter_count,
            "seconds to train all candidates": round(trained - began, 1),
            "seconds to adapt and test": round(time.perf_counter() - trained, 1),
        }
        return Result(
            seen=accuracy(chosen.model, study.responses, study.tests[SEEN]),
            curve=curve,
            control=another_users(chosen.model, study, own),
            utility=utility(chosen.model, study, own),
            about=about | self.pairs(study),
        )

    def curve(self, model: Model, study: Study) -> tuple[Tensor, Tensor]:
        """Accuracies (S, R, N'), and what is kept of everybody after `shots` pairs (N', p)."""
        curve, personal = few_shot_accuracy(
            model,
            study.responses,
            study.shots,
            study.tests[UNSEEN],
            counts=self.counts,
            repeats=self.repeats,
            seed=self.seed,
        )
        return curve, personal[self.counts.index(self.shots), 0]

    def pairs(self, study: Study) -> dict[str, Any]:
        """How many pairs users gave on average: seen ones, and unseen ones at each count."""
        return {
            "pairs of a seen user": float(study.train.counts.double().mean()),
            "pairs of an unseen user": [mean_shots(study.shots, count) for count in self.counts],
        }
