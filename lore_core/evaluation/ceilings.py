"""Ceilings: how far anybody could come who knows the synthetic users' true tastes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from lore_core.evaluation.accuracy import accuracy
from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.result import Result, another_users, utility
from lore_core.evaluation.study import SEEN, UNSEEN, Study
from lore_core.evaluation.utility import perfect, true_utility
from lore_core.methods.lore import LowRank
from lore_core.recipes import FEW_SHOT
from lore_core.reference import reference_direction
from lore_core.reward import LowRankReward
from lore_core.tools import palette

NOTHING_TRAINED = {"chosen": "", "validation": {}, "parameters": 0}


def known_tastes(study: Study, benchmark: Benchmark) -> Result:
    """Users whose true tastes are known, read through the embedding.

    One direction per trait is fitted to the traits of the seen prompts; nobody's pairs are used.

    Raises:
        ValueError: the study is of real people, whose tastes nobody knows.
    """
    tastes, traits = truth(study)
    responses = study.responses
    seen = torch.isin(responses.prompt, study.prompts.train)
    columns = [reference_direction(responses.embeddings[seen], trait) for trait in traits[seen].T]
    old, new = tastes[study.users.train], tastes[study.users.test]
    basis = LowRankReward(torch.stack(columns, 1), torch.zeros_like(old))
    model = LowRank(basis, FEW_SHOT, trained=0)
    unseen = accuracy(model, responses, study.tests[UNSEEN], new)
    return Result(
        seen=accuracy(model, responses, study.tests[SEEN], old),
        curve=unseen.expand(len(benchmark.counts), benchmark.repeats, -1),
        control=another_users(model, study, new),
        utility=utility(model, study, new),
        about=NOTHING_TRAINED | benchmark.pairs(study),
    )


def perfect_observer(study: Study, benchmark: Benchmark) -> Result:
    """Who knows every taste and sees the traits themselves: never wrong, gives everybody the best.

    (Users without noise only; for noisy ones accuracy would be below one.)

    Raises:
        ValueError: the study is of real people, whose tastes nobody knows.
    """
    new = truth(study)[0][study.users.test]
    rows = perfect(study.responses, study.prompts.test, new)
    return Result(
        seen=torch.ones(study.train.n_users),
        curve=torch.ones(len(benchmark.counts), benchmark.repeats, len(new)),
        control=torch.full((len(new),), torch.nan),
        utility=true_utility(study.responses, new, rows),
        about=NOTHING_TRAINED | benchmark.pairs(study),
    )


def truth(study: Study) -> tuple[torch.Tensor, torch.Tensor]:
    """The users' tastes (N, T), and the responses' traits (M, T)."""
    if study.tastes is None or study.responses.traits is None:
        raise ValueError(
            "this study has no tastes or no traits: a ceiling needs synthetic users; leave it out "
            "for real people"
        )
    return study.tastes, study.responses.traits


@dataclass(frozen=True)
class Ceiling:
    """A ceiling as a benchmark knows it.

    Args:
        name: what tables and figures call it.
        colour: of its line, in every lesson.
        result: of one study of a benchmark.
    """

    name: str
    colour: str
    result: Callable[[Study, Benchmark], Result]

    def results(self, studies: Mapping[int, Study], benchmark: Benchmark) -> list[Result]:
        """One result per seed, in the order of the studies."""
        found = {seed: self.result(study, benchmark) for seed, study in studies.items()}
        return [replace(one, about={"seed": seed} | one.about) for seed, one in found.items()]


CEILINGS: dict[str, Ceiling] = {
    "known_tastes": Ceiling("known tastes", palette.GREY, known_tastes),
    "perfect": Ceiling("perfect observer", palette.BLACK, perfect_observer),
}
