"""The full comparison of questions: every policy, several ways to answer, many seeds.

Shapes: N new users, n questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from torch import Tensor

from lore_core.datasets import alpaca_eval
from lore_core.decisions import questions
from lore_core.evaluation import asking, small_tables
from lore_core.evaluation.asking import Interview
from lore_core.evaluation.bootstrap import Interval, bootstrap, lead
from lore_core.evaluation.newcomers import Newcomers
from lore_core.evaluation.synthetic import draw_study
from lore_core.fit import fit_basis
from lore_core.simulation.habits import Habit
from lore_core.tools import draws, tensor_files
from lore_core.tools.paths import FIGURES

NOISE = 0.5  # τ of noisy users, on utilities
WAYS = ("no noise", "noise", "noise, tau twice", "noise, tau half", "one in ten careless")
KNOWN = "known weights"
FORMAT = "best and worst"
CANDIDATES = 8  # of a prompt of AlpacaEval
BASELINE = "random"  # what leads are measured from
FEW = (BASELINE, "uncertain", "optimal", "information")  # asked in whatever way users answer

SEEDS = range(20)
REPEATS = 200  # of a bootstrap; a table has hundreds of rows

FILE = FIGURES / "questions.csv"
KEYS = ["answers", "policy", "questions"]
NUMBERS = [
    "texts",
    "mean",
    "low",
    "high",
    "ahead_mean",
    "ahead_low",
    "ahead_high",
    "n_users",
    "seeds",
]

Reached = dict[tuple[str, str], Tensor]


@dataclass(frozen=True)
class Sizes:
    """Of one seed's world: users, pairs, rank; and of its interviews."""

    n_seen: int = 300
    n_unseen: int = 100
    n_pairs: int = 47
    n_known: int = 50
    rank: int = 6
    n_goals: int = 50
    interview: Interview = Interview(pool=200, n_particles=500)

    def newcomers(self, seed: int) -> Newcomers:
        """Specialists who rank AlpacaEval's responses, and LoRe's reward for the seen ones."""
        responses = alpaca_eval.load()
        study = draw_study(
            responses, 0.1, self.n_seen, self.n_unseen, self.n_pairs, self.n_known, seed
        )
        fit = fit_basis(responses, study.train, self.rank, validation=study.validation, seed=seed)
        return Newcomers(study, fit.reward)


def interviews(users: Newcomers, interview: Interview, seed: int) -> dict[str, Interview]:
    """Every way to answer, and what the posterior holds its temperature to be."""
    noisy = Habit(temperature=NOISE)
    tau = users.temperature(noisy, seed)
    found = {"no noise": interview}
    for way, factor in zip(WAYS[1:4], (1.0, 2.0, 0.5), strict=True):
        found[way] = replace(interview, habit=noisy, temperature=factor * tau)
    return found | {WAYS[4]: replace(interview, habit=Habit(careless=0.1))}


def reached(seed: int, sizes: Sizes = Sizes()) -> Reached:
    """Accuracy of every new user after each answer, by way of answering and by policy, (n + 1, N).

    Args:
        seed: of the world and of all that is asked in it.
        sizes: how large both are.
    """
    users = sizes.newcomers(seed)
    found: Reached = {}
    for way, interview in interviews(users, sizes.interview, seed).items():
        policies = {name: questions.POLICIES[name] for name in FEW}
        if way == WAYS[0]:
            policies["gradient"] = questions.gradient(users.goals(sizes.n_goals, seed))
        for name, policy in policies.items():
            found[way, name] = asking.ask(users, policy, interview, seed).accuracy
        found[way, FORMAT] = asking.best_and_worst(users, interview, seed).accuracy
        known = users.accuracy(users.known_weights)
        found[way, KNOWN] = known.expand(interview.n_questions + 1, -1)
    return found


def save(found: Reached, path: Path | str) -> None:
    """Write one seed's accuracies to a safetensors file."""
    keys = list(found)
    tensor_files.write(path, {str(i): found[key] for i, key in enumerate(keys)}, {"keys": keys})


def load(path: Path | str) -> Reached:
    """Read what `save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged.
    """
    tensors, about = tensor_files.read(path)
    return {(way, name): tensors[str(i)] for i, (way, name) in enumerate(about["keys"])}


def table(seeds: Sequence[Reached]) -> pd.DataFrame:
    """A row for each way to answer, policy and number of questions; intervals over seeds and users.

    Args:
        seeds: what was reached, one for each seed.

    Raises:
        ValueError: there is no seed, or they do not hold the same.
    """
    if not seeds or any(one.keys() != seeds[0].keys() for one in seeds):
        raise ValueError(f"got {len(seeds)} seeds, expected some, with the same policies in each")
    return pd.DataFrame([row for key in seeds[0] for row in rows(key, seeds)])


def rows(key: tuple[str, str], seeds: Sequence[Reached]) -> Iterator[dict]:
    """Those of one policy and way to answer: how far it gets, and how far it is ahead of random."""
    way, policy = key
    read = {FORMAT: CANDIDATES, KNOWN: 0}.get(policy, asking.READ)
    curves, random = ([one[way, name] for one in seeds] for name in (policy, BASELINE))
    for step, (users, others) in enumerate(zip(steps(curves), steps(random), strict=True)):
        keys = {"answers": way, "policy": policy, "questions": step, "texts": step * read}
        interval = bootstrap(users, draws.generator(0), repeats=REPEATS)._asdict()
        ahead = lead(users, others, draws.generator(0), repeats=REPEATS)
        leads = {f"ahead_{name}": getattr(ahead, name) for name in ("mean", "low", "high")}
        yield keys | interval | leads | {"n_users": len(users[0]), "seeds": len(users)}


def steps(curves: list[Tensor]) -> Iterator[list[Tensor]]:
    """After each number of questions, the accuracy of every seed's users."""
    return map(list, zip(*curves, strict=True))


def write(table: pd.DataFrame, path: Path | str = FILE) -> None:
    """Write the table."""
    small_tables.write(table, path)


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, KEYS, NUMBERS, every=False)


def curves(table: pd.DataFrame, way: str) -> dict[str, dict[int, Interval]]:
    """Policy -> questions -> accuracy, of one way to answer."""
    of_way = table[table.answers == way]
    return {
        str(policy): {
            int(r.questions): Interval(r["mean"], r.low, r.high) for _, r in rows.iterrows()
        }
        for policy, rows in of_way.groupby("policy", sort=False)
    }
