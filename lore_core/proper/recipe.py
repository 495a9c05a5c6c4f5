"""How the three stages are trained, as data.

`Recipe()` is ours; `PAPER` has the settings of the published code (PROPER, arXiv 2503.01303).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lore_core.tasks.pace import Pace
from lore_core.tools import checks

ROUTES = ("posterior", "published", "hard", "uniform", "given")
STAGES = ("population", "group", "person", "reroute")  # as they follow one another
STARTS = ("random", "informed")
READS = ("both", "input", "user")


@dataclass(frozen=True)
class Stage(Pace):
    """How the numbers of one stage are trained; for the other arguments see `tasks.pace.Pace`.

    Args:
        rank: r of its adapters.
        alpha: α; an update is scaled by α/r.
        dropout: share of an adapter's inputs that is left out in training.

    Raises:
        ValueError: an option is unknown, or a number is out of range.
    """

    rank: int = 4
    alpha: float = 8.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole_number("rank", self.rank, at_least=1)
        checks.number("alpha", self.alpha, above=True)
        if checks.number("dropout", self.dropout) >= 1:
            raise ValueError(f"dropout is {self.dropout}, expected a share below 1")


@dataclass(frozen=True)
class Recipe:
    """How a crowd, its groups and its people are learned, one after the other.

    Args:
        population: stage 1, one adapter for everybody; None leaves it out.
        group: stage 2, `n_experts` adapters; None leaves it out.
        person: stage 3.1, one adapter for each user; None leaves it out.
        reroute: stage 3.2, a router that reads what the user's adapter adds; None leaves it out.
        n_experts: M.
        routes: how a user comes to the experts. "posterior": by how likely each expert makes the
            user's own items (soft EM). "hard": the nearest of M groups. "published": by a trained
            router that reads the input and a vector of the user's. "uniform": 1/M. "given": by true
            groups, which only a test knows.
        rounds: of "posterior"; in each the experts are trained for `group.passes` passes, then
            everybody's posterior is computed anew.
        softmax: of the published router, "double" as published, or "single".
        reads: what the published router reads: the input, the user, or both.
        user_start: the user's vector starts at "random", or at the mean of the user's inputs,
            "means".
        average: whether the experts' sum is divided by M, as published.
        start: where adapters start: A "random", as usual, or "informed" by directions in which
            users differ. B is 0.
        person_start: the same for the adapters of persons; None is as `start`.
        penalty: weight c of the published constraint that sharpens routes; 0 for none.
        gradient: "live", or "detached" as published, where the constraint has no gradient.
        reroute_start: the stage 3.2 router starts "random", as published, or at the least-squares
            fit to stage 2's routes, "fitted".

    Raises:
        ValueError: an option is unknown, or a number is out of range.
    """

    population: Stage | None = Stage(rank=8, alpha=16)
    group: Stage | None = Stage(passes=2)
    person: Stage | None = Stage(
        learning_rate=0.5, passes=12, optimizer="sgd", batch=None, shrink=100, warm_up=0
    )
    reroute: Stage | None = None
    n_experts: int = 5
    routes: str = "posterior"
    rounds: int = 4
    softmax: str = "single"
    reads: str = "both"
    user_start: str = "random"
    average: bool = False
    start: str = "informed"
    person_start: str | None = None
    penalty: float = 0.0
    gradient: str = "live"
    reroute_start: str = "fitted"

    def __post_init__(self) -> None:
        for name in STAGES:
            if getattr(self, name) is not None:
                checks.instance_of(name, getattr(self, name), Stage)
        checks.whole_numbers(1, n_experts=self.n_experts, rounds=self.rounds)
        checks.one_of("routes", self.routes, ROUTES)
        checks.one_of("softmax", self.softmax, ("single", "double"))
        checks.one_of("reads", self.reads, READS)
        checks.one_of("user_start", self.user_start, ("random", "means"))
        checks.one_of("start", self.start, STARTS)
        if self.person_start is not None:
            checks.one_of("person_start", self.person_start, STARTS)
        checks.one_of("gradient", self.gradient, ("live", "detached"))
        checks.one_of("reroute_start", self.reroute_start, ("random", "fitted"))
        checks.flag("average", self.average)
        checks.number("penalty", self.penalty)
        if self.reroute is not None and (self.group is None or self.person is None):
            raise ValueError("reroute needs the experts of `group` and the adapters of `person`")

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that it has, in their order."""
        return tuple(name for name in STAGES if getattr(self, name) is not None)

    def up_to(self, last: str | None) -> Recipe:
        """The same without the stages behind one; None leaves none."""
        kept = () if last is None else STAGES[: STAGES.index(last) + 1]
        return replace(
            self,
            population=self.population if "population" in kept else None,
            group=self.group if "group" in kept else None,
            person=self.person if "person" in kept else None,
            reroute=self.reroute if "reroute" in kept else None,
        )


# Batches of one and AdamW, as the published code has them (its commit 214b35a).
PAPER = Recipe(
    population=Stage(rank=8, alpha=16, learning_rate=3e-4, passes=3, batch=8),
    group=Stage(learning_rate=2e-4, passes=2, batch=1, dropout=0.05),
    person=Stage(learning_rate=2e-4, passes=1, batch=1, dropout=0.05),
    reroute=Stage(learning_rate=2e-4, passes=1, batch=1),
    routes="published",
    rounds=1,
    softmax="double",
    user_start="random",
    average=True,
    start="random",
    penalty=1 / 96,
    gradient="detached",
    reroute_start="random",
)
