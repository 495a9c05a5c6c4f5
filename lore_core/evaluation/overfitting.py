"""The map of overfitting: accuracy against pairs per user and rank, for two ways of training.

`python workflow/overfitting.py` computes it and writes figures/overfitting.csv, which lesson 7
reads.

Shapes: N users.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lore_core.evaluation import small_tables
from lore_core.evaluation.accuracy import accuracy
from lore_core.evaluation.bootstrap import bootstrap
from lore_core.evaluation.study import SEEN, Study
from lore_core.evaluation.synthetic import draw_study
from lore_core.fit import fit_basis
from lore_core.preferences import Preferences
from lore_core.recipes import PAPER
from lore_core.responses import Responses
from lore_core.splits import hold_out
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES

FILE = FIGURES / "overfitting.csv"
KEYS = ["crowd", "recipe", "pairs", "rank"]
NUMBERS = ["train", "mean", "low", "high"]
PUBLISHED = "published"
VALIDATED = "ridge and validation"
CROWDS: dict[str, dict[str, Any]] = {
    "best against worst, no noise": {},
    "random pairs, noise": {"temperature": 1.0, "pairs": "random"},
}
HELD_OUT = 0.2  # of a user's pairs, for validation


@dataclass(frozen=True)
class Map:
    """What the map shows.

    Args:
        n_users: N, who are trained on; of every seed.
        pairs: per user, those for validation included.
        ranks: K.
        seeds: of the crowds.
        steps: of the published recipe.
        n_tests: test pairs per user, on unseen prompts.
    """

    n_users: int = 60
    pairs: tuple[int, ...] = (2, 5, 15, 47, 150)
    ranks: tuple[int, ...] = (1, 2, 5, 10, 20)
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = PAPER.steps
    n_tests: int = 50

    def table(self, responses: Responses) -> pd.DataFrame:
        """One row for each crowd, recipe, number of pairs and rank.

        Args:
            responses: with traits, for users to mix.

        Returns:
            KEYS; `train`, the accuracy on the pairs that were trained on; and the accuracy on
            unseen prompts with its 95 % interval over users and seeds.
        """
        rows = []
        for crowd, asked in CROWDS.items():
            studies = [self.study(responses, seed, asked) for seed in self.seeds]
            rows += [{"crowd": crowd} | row for row in self.rows(studies)]
        return pd.DataFrame(rows)[KEYS + NUMBERS]

    def study(self, responses: Responses, seed: int, asked: dict[str, Any]) -> Study:
        """A crowd of specialists who give as many pairs as anybody on the map."""
        sizes: dict[str, Any] = dict(
            n_seen=self.n_users, n_unseen=20, n_pairs=max(self.pairs), n_shots=1
        )
        return draw_study(responses, 0.1, **sizes, seed=seed, n_tests=self.n_tests, **asked)

    def rows(self, studies: Sequence[Study]) -> Iterator[dict[str, Any]]:
        """The rows of one crowd."""
        for recipe in (PUBLISHED, VALIDATED):
            for n_pairs in self.pairs:
                for rank in self.ranks:
                    fits = [self.fit(study, recipe, n_pairs, rank) for study in studies]
                    keys = {"recipe": recipe, "pairs": n_pairs, "rank": rank}
                    yield keys | numbers(*zip(*fits, strict=True))

    def fit(self, study: Study, recipe: str, n_pairs: int, rank: int) -> tuple[Tensor, Tensor]:
        """Accuracy of every user (N,) on the pairs trained on, and on unseen prompts."""
        how = replace(PAPER, steps=self.steps) if recipe == PUBLISHED else None
        train, validation = given(study, recipe, n_pairs)
        found = fit_basis(study.responses, train, rank, how, validation=validation)
        on = train, study.tests[SEEN]
        learned, tested = (accuracy(found.reward, study.responses, pairs) for pairs in on)
        return learned, tested


def given(study: Study, recipe: str, n_pairs: int) -> tuple[Preferences, Preferences | None]:
    """What a recipe gets of everybody's pairs: all for training, or some for validation.

    Args:
        study: users with at least so many pairs.
        recipe: PUBLISHED or VALIDATED.
        n_pairs: per user, in all.
    """
    draw = draws.generator(n_pairs)
    train = study.train.subsample(n_pairs, draw)
    if recipe == PUBLISHED:
        return train, None
    return hold_out(study.responses, train, HELD_OUT, draw)


def numbers(learned: Sequence[Tensor], tested: Sequence[Tensor]) -> dict[str, float]:
    """Means over users and seeds, and the interval of the second."""
    found = bootstrap(list(tested), draws.generator(0))
    train = float(torch.stack([one.nanmean() for one in learned]).mean())
    return {"train": train} | found._asdict()


def write(table: pd.DataFrame, path: Path | str = FILE) -> None:
    """Write the map."""
    small_tables.write(table, path)


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The map as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, KEYS, NUMBERS)
