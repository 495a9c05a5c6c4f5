"""What it costs to serve a user: memory, disk, milliseconds of a switch and of an answer.

Each time is the least of some runs, in which all ways take turns; the median stands beside it. It
is of one machine, which the table names, and is not to be compared with another's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from torch import Tensor

from lore_core.evaluation import small_tables
from lore_core.evaluation.serving import PRESET, Served, Shifts
from lore_core.evaluation.serving_adapters import Adapters, Merged
from lore_core.evaluation.serving_times import TIMES, machine, times
from lore_core.language_model.sampling import check_room
from lore_core.perfit.presets import Preset
from lore_core.tools import checks, draws
from lore_core.tools.paths import FIGURES

NOTHING, SHIFTS = "no tuning", "φ_c and φ_u"
ADAPTER, MERGED = "an adapter of one's own", "an adapter merged into the weights"
USERS, RUNS, PROMPT, TOKENS = 8, 9, 100, 32

FILE = FIGURES / "serving.csv"
SIZES = ["numbers", "bytes", "memory"]
NUMBERS = [*SIZES, *TIMES, *(f"{name}, median" for name in TIMES), "users", "runs", "machine"]


def ways(
    net: Any, folder: Path, n: int = USERS, preset: Preset = PRESET, seed: int = 0
) -> dict[str, Served]:
    """All ways to serve n users, with drawn numbers in memory and on the disk.

    Args:
        net: a decoder with its head; it stays as it is.
        folder: gets the users' files.
        n: users, at least two.
        preset: ranks, layers and positions of the shifts.
        seed: of the draws.

    Raises:
        ImportError: peft is missing.
        ValueError: n is below 2, or the model has no such layers.
    """
    checks.whole_number("n", n, at_least=2)
    source, found = draws.generator(seed), {NOTHING: Served(net, n * [[]])}
    found[SHIFTS] = Shifts.drawn(net, folder / "shifts", n, source, preset)
    found[ADAPTER] = Adapters.drawn(net, folder / "adapters", n, source)
    found[MERGED] = Merged.drawn(net, folder / "merged", n, source)
    return found


def table(
    served: Mapping[str, Served], runs: int = RUNS, prompt: int = PROMPT, tokens: int = TOKENS
) -> pd.DataFrame:
    """A row for each way; times in milliseconds.

    `switch` is from the user's file, which the system has read before, until the model is ready;
    `held switch` from memory. `check` makes sure once that files fit the model. `first token` reads
    the prompt, `token` is a further one with a cache, the median of an answer's. `numbers`, `bytes`
    on the disk and `memory` in bytes are a user's.

    Args:
        served: as `ways` gives them.
        runs: of which each time is the least; one more comes first and is not counted.
        prompt: tokens of the prompt; which they are costs nothing.
        tokens: likeliest tokens that are said after the first.

    Raises:
        ValueError: a number is below 1, there is no way, or prompt and answer do not fit into the
            window.
    """
    checks.whole_numbers(1, runs=runs, prompt=prompt, tokens=tokens)
    checks.whole_number("the number of ways", len(served), at_least=1)
    for way in served.values():
        check_room(way.net, [[0] * prompt], tokens + 1)
    both = {name: (way, way.alone()) for name, way in served.items()}
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for run in range(runs + 1):
        for name, (many, one) in both.items():
            found[name].append(times(many, one, run, prompt, tokens))
    rows = [
        {"way": name} | sizes(*both[name]) | shown(found[name][1:]) | {"users": len(way.files)}
        for name, way in served.items()
    ]
    about: dict[str, Any] = {"runs": runs, "prompt": prompt, "tokens": tokens, "machine": machine()}
    return pd.DataFrame(rows).assign(**about)


def shown(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The least of each time, then the medians."""
    each = {name: [run[name] for run in runs] for name in TIMES}
    least = {name: min(some) for name, some in each.items()}
    return least | {f"{name}, median": median(some) for name, some in each.items()}


def sizes(many: Served, one: Served) -> dict[str, int]:
    """What a user adds: numbers, bytes on the disk and in memory."""
    more, n = len(many.files) - 1, (lambda w: w.numel(), lambda w: w.nbytes)
    numbers, memory = ((total(many, of) - total(one, of)) // more for of in n)
    bytes_ = sum(path.stat().st_size for path in many.files[0])
    return {"numbers": numbers, "bytes": bytes_, "memory": memory}


def total(way: Served, of: Callable[[Tensor], int]) -> int:
    """The sum over all tensors in memory."""
    return sum(of(weight) for weight in way.weights())


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, ["way"], NUMBERS)
