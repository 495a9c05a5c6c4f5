"""How the two stages of PerFit are trained, as data.

`Recipe()` is ours; `PAPER` has the published settings (PerFit, ICLR 2026, OpenReview Lwn67fk9e1).

Ours was chosen for the tail, on validation items of worlds of which nothing is reported (seeds 900
to 902; ratings and tags), one setting after another, in about a hundred fits of a few seconds each,
most of them on one world. Tried: for stage 1 rates of 1e-4 to 1e-2, ranks of 2 to 16, 4 and 8
passes, both starts, both coordinates; for stage 2 SGD at rates of .003 to .3 on standard
coordinates and .01 to 10 on raw ones, shrinkage of 8 to 400, ranks of 1 to 13, all starts, both
compositions.

- Coordinates: on raw ones losses of stage 2 grow tenfold from a rate of .03 on; .01 fits, and harms
  users with few items. On standard ones every rate up to .3 fits. Stage 1 does not care.
- Shrinkage: at a rate of .03 a shrinkage of 200 did users with less than 12 items no harm that was
  seen (mean absolute error 1.190 after 1.185, over three worlds of ratings), and those with 32 or
  more gained .05. With 100 the first lost .04 to .07, and the second gained no more. On tags, where
  persons differ more, 100 was better by .014 for all.
- Start of stage 2: where the labels part. From a random start, or from where shifts lay after one,
  R hardly meets what labels are read from, and errors move by .002 at most.
- Rank of stage 2: L labels have L − 1 such directions, and further rows change nothing; so 5 serves
  six tags (.629 of all wrong, with 4 .650) and five stars alike.
- "after" and "beside" agreed to three digits.
- AdamW as published: at 1e-4 1.200 of a base of 1.272; at 1e-3 1.183, as ours after stage 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lore_core.perfit.positions import Positions
from lore_core.perfit.start import STARTS, USER_STARTS
from lore_core.tasks.pace import Pace
from lore_core.tools import checks

STAGES = ("shared", "personal")  # as they follow one another
COMPOSITIONS = ("after", "beside")
COORDINATES = ("raw", "standard")


@dataclass(frozen=True)
class Stage(Pace):
    """How the numbers of one stage are trained; for the other arguments see `tasks.pace.Pace`.

    Args:
        rank: r, rows of R.

    Raises:
        ValueError: an option is unknown, or a number is out of range.
    """

    rank: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole_number("rank", self.rank, at_least=1)


SHARED = Stage(learning_rate=1e-3, passes=4, rank=8)
PERSONAL = Stage(
    learning_rate=0.03, passes=12, optimizer="sgd", batch=None, shrink=200, warm_up=0, rank=5
)


@dataclass(frozen=True)
class Recipe:
    """How φ_c of everybody and φ_u of each user are learned, one after the other.

    Args:
        shared: stage 1, one φ_c; None leaves it out.
        personal: stage 2, one φ_u for each user; None leaves it out.
        composition: "after", x → φ_u(φ_c(x)), or "beside", where both read the same x and add what
            they change. The published README leaves it open.
        start: where the R of stage 1 starts, "random" or "labels"; see `start`.
        user_start: the same of stage 2, or "shared": stage 2 is trained twice, the second time from
            where the seen users' shifts lay after the first.
        coordinates: what φ acts on while it is trained: "raw" states, as published, or "standard"
            ones, less their mean and in units of their spread. It is one family either way.
        layers: numbers of the blocks, from 0, whose outputs are moved; none for the network's own
            input, which is the state of a tail.
        positions: which tokens of the prompt are moved there, such as "f7+l7".

    Raises:
        ValueError: an option is unknown, or a number is out of range.
    """

    shared: Stage | None = SHARED
    personal: Stage | None = PERSONAL
    composition: str = "after"
    start: str = "labels"
    user_start: str = "labels"
    coordinates: str = "standard"
    layers: tuple[int, ...] = ()
    positions: str = "l1"

    def __post_init__(self) -> None:
        for name in STAGES:
            if getattr(self, name) is not None:
                checks.instance_of(name, getattr(self, name), Stage)
        checks.one_of("composition", self.composition, COMPOSITIONS)
        checks.one_of("start", self.start, STARTS)
        checks.one_of("user_start", self.user_start, USER_STARTS)
        checks.one_of("coordinates", self.coordinates, COORDINATES)
        layers = tuple(self.layers)
        checks.whole_numbers(0, **{f"layers[{i}]": layer for i, layer in enumerate(layers)})
        if len(set(layers)) < len(layers):
            raise ValueError(f"layers are {layers}, expected each of them once")
        checks.set_field(self, "layers", layers)
        Positions.parse(self.positions)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that it has, in their order."""
        return tuple(name for name in STAGES if getattr(self, name) is not None)

    def up_to(self, last: str | None) -> Recipe:
        """The same without the stages behind one; None leaves none."""
        if last == "personal":
            return self
        return replace(self, shared=self.shared if last == "shared" else None, personal=None)


# Batches and a warm-up are not published. Weight decay acts on W and b, see `shift.orthonormal`.
PUBLISHED = Stage(
    learning_rate=1e-4, passes=3, batch=8, warm_up=0, clip=0.3, weight_decay=1e-2, rank=32
)
PAPER = Recipe(
    shared=PUBLISHED,
    personal=replace(PUBLISHED, passes=2, rank=4),
    start="random",
    user_start="random",
    coordinates="raw",
)
