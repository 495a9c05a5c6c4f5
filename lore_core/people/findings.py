"""Does personalising pay for these people? What validation chose, and what tests then said.

The same people are split several times; what is tested is averaged over the splits, person by
person, and intervals are over persons.

Shapes: N people, S shot counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.bootstrap import Interval, Lead, bootstrap, lead
from lore_core.evaluation.result import Result
from lore_core.evaluation.study import Study
from lore_core.methods.protocol import Method
from lore_core.methods.registry import RANKS, REGISTRY
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import draws

SHARES = {"validation": 0.2, "test": 0.3}  # of the prompts, and of the people
COUNTS = (0, 1, 2, 3, 5, 9, 15, 20, 30, 50)
MOST_SHOTS = 9
Row = dict[str, Any]
ONE, LORE, OWN = "one reward for all", "LoRe", "one model per person"


def candidates(n_people: int) -> dict[str, dict[str, Method]]:
    """The settings of each method among which validation pairs choose.

    A rank has at least four people to a column. It may exceed the number of features: people are
    mixtures of the columns, so with few features more corners reach more people. Every second rank
    is tried with a weak ridge, too; the usual ridge is chosen by loss, and accuracy decides here.
    """
    labels = [f"rank {rank}" for rank in RANKS[1:] if rank <= n_people // 4] or ["rank 2"]
    usual, weak = (REGISTRY[name].candidates for name in ("lore", "lore_weak_ridge"))
    lore = {label: usual[label] for label in labels}
    lore |= {f"{label}, weak ridge": weak[label] for label in labels[1::2]}
    return {
        ONE: dict(REGISTRY["bradley_terry"].candidates),
        LORE: lore,
        OWN: dict(REGISTRY["per_user_pooled"].candidates),
    }


@dataclass(frozen=True, eq=False)
class Tested:
    """How a method did, person by person.

    Args:
        name: ONE, LORE or OWN.
        chosen: the label that validation chose.
        validation: its validation accuracy.
        seen: (N,) accuracy on new prompts of people it learned from, mean over splits; NaN for
            who was never among them.
        new: (S, N) accuracy for people it had not seen, after so many pairs.
        stranger: (N,) the control: with the pairs of somebody else.
    """

    name: str
    chosen: str
    validation: float
    seen: Tensor
    new: Tensor
    stranger: Tensor


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found out about some people.

    Args:
        tested: each method, by its name.
        counts: S numbers of pairs.
        shots: the count that settings are chosen at.
        personal: the name of the personal method that validation liked best.
        names: N names of the people.
        pairs: (N,) how many pairs each of them gave.
        seeds: of the splits.
    """

    tested: dict[str, Tested]
    counts: tuple[int, ...]
    shots: int
    personal: str
    names: tuple[str, ...]
    pairs: Tensor
    seeds: tuple[int, ...]

    @property
    def pays(self) -> bool:
        """Whether the personal method is ahead of one reward, surely, for people it knows."""
        return self.ahead.low > 0

    @property
    def gains(self) -> Tensor:
        """By how much the personal method is ahead of one reward, for each known person, (N,)."""
        return self.tested[self.personal].seen - self.tested[ONE].seen

    @property
    def ahead(self) -> Lead:
        """The lead of the personal method for people it knows, on new prompts."""
        return lead(self.tested[self.personal].seen, self.tested[ONE].seen, draws.generator(0))

    @property
    def ahead_for_new(self) -> Lead:
        """The same for people it had not seen, after `shots` pairs."""
        at = self.counts.index(self.shots)
        mine, common = self.tested[self.personal].new[at], self.tested[ONE].new[at]
        return lead(mine, common, draws.generator(0))

    def table(self) -> pd.DataFrame:
        """One row per method and kind of people: accuracy, and the lead over one reward."""
        at = self.counts.index(self.shots)
        lines = []
        for tested in self.tested.values():
            for people, of in (("known", lambda t: t.seen), ("new", lambda t: t.new[at])):
                ahead = lead(of(tested), of(self.tested[ONE]), draws.generator(0))
                who: Row = {"method": tested.name, "people": people, "chosen": tested.chosen}
                lines.append(
                    who
                    | {"validation": tested.validation}
                    | interval("", bootstrap(of(tested), draws.generator(0)))
                    | interval("ahead_", Interval(*ahead[:3]))
                )
        return pd.DataFrame(lines)

    def curve(self) -> pd.DataFrame:
        """One row per method and number of pairs of a new person: accuracy."""
        return pd.DataFrame(
            [
                {"method": tested.name, "pairs": count}
                | interval("", bootstrap(tested.new[at], draws.generator(0)))
                for tested in self.tested.values()
                for at, count in enumerate(self.counts)
            ]
        )

    def people(self) -> pd.DataFrame:
        """One row per person: pairs given, accuracy of one reward and of the personal method."""
        return pd.DataFrame(
            {
                "pairs": self.pairs.tolist(),
                "one reward": self.tested[ONE].seen.tolist(),
                "personal": self.tested[self.personal].seen.tolist(),
                "gain": self.gains.tolist(),
            },
            index=pd.Index(self.names, name="person"),
        )


def interval(prefix: str, found: Interval) -> Row:
    """An interval as columns of a table."""
    return {f"{prefix}{field}": value for field, value in found._asdict().items()}


def find_out(
    responses: Responses,
    preferences: Preferences,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    said: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Choose each method's settings on validation pairs, then test it once.

    Args:
        responses: what is ranked.
        preferences: pairs of N people.
        seeds: one split of people and prompts each.
        said: is told what is being done.

    Raises:
        ValueError: there are too few people or prompts to learn, choose and test on.
    """
    studies = {seed: Study.of(responses, preferences, seed, **SHARES) for seed in seeds}
    counts, shots = shot_counts(list(studies.values()))
    benchmark = Benchmark("a table", None, counts, 3, shots, tuple(seeds))
    tested = {}
    for name, some in candidates(preferences.n_users).items():
        said(f"{name}: {len(some)} settings, {len(studies)} splits")
        results = benchmark.run(some, studies)
        tested[name] = by_person(name, results, list(studies.values()), preferences.n_users)
    personal = max((LORE, OWN), key=lambda name: tested[name].validation)
    return Findings(
        tested=tested,
        counts=counts,
        shots=shots,
        personal=personal,
        names=tuple(preferences.user_name(user) for user in range(preferences.n_users)),
        pairs=preferences.counts,
        seeds=tuple(seeds),
    )


def shot_counts(studies: Sequence[Study]) -> tuple[tuple[int, ...], int]:
    """The numbers of pairs that at least half of the new people of every split can give."""
    most = min(int(study.shots.counts.median()) for study in studies)
    counts = tuple(count for count in COUNTS if count <= most)
    return counts, max(count for count in counts if count <= MOST_SHOTS)


def by_person(
    name: str, results: Sequence[Result], studies: Sequence[Study], n_people: int
) -> Tested:
    """What a method reached in every split, person by person."""
    seen = [study.users.train for study in studies]
    new = [study.users.test for study in studies]
    chosen = results[0].about["chosen"]
    curves = [result.curve.nanmean(1) for result in results]
    return Tested(
        name=name,
        chosen=chosen,
        validation=max(results[0].about["validation"].values()),
        seen=mean_by_person([result.seen for result in results], seen, n_people),
        new=torch.stack(
            [
                mean_by_person([curve[at] for curve in curves], new, n_people)
                for at in range(len(curves[0]))
            ]
        ),
        stranger=mean_by_person([result.control for result in results], new, n_people),
    )


def mean_by_person(values: Sequence[Tensor], ids: Sequence[Tensor], n_people: int) -> Tensor:
    """Each person's mean over the splits that have a number of them, (N,); NaN without any."""
    table = torch.full((len(values), n_people), torch.nan, dtype=torch.float64)
    for row, of_split, users in zip(table, values, ids, strict=True):
        row[users] = of_split.double()
    return table.nanmean(0)
