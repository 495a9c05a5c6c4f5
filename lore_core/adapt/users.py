"""Any number of new users, each from a few pairs: `fit_weights`, partition by partition.

Given V, new users are independent. Their pairs lie in Parquet, in partitions that are sorted by
user; for each partition a file of weights is written, whole or not at all. So a run may be killed
at any time and started again, and at its end every user stands there exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from lore_core.adapt import manifest
from lore_core.adapt.engines import check_engine, engine
from lore_core.adapt.one import Job, rows_of
from lore_core.adapt.partitions import partitions
from lore_core.adapt.shared import WEIGHTS, prepare
from lore_core.recipes import FEW_SHOT, FewShot
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.tools import checks
from lore_core.tools.progress import Bar, silent


@dataclass(frozen=True)
class Adapted:
    """What lies there now.

    Args:
        weights: folder of Parquet files with the columns user, w_1, …, w_K.
        users: rows of all files; every user once.
        partitions: files.
        fresh: users whose weights were fitted by this run; the others lay there already.
        seconds: of the fits of this run.
    """

    weights: Path
    users: int
    partitions: int
    fresh: int
    seconds: float


def adapt_users(
    reward: LowRankReward,
    responses: Responses,
    pairs: Path | str,
    out: Path | str,
    recipe: FewShot = FEW_SHOT,
    workers: int = 1,
    cluster: str | None = None,
    device: str | None = None,
    progress: bool = True,
) -> Adapted:
    """Fit the weights of new users whose pairs lie in partitions, as `fit_weights` does.

    Args:
        reward: a fitted reward, with basis (d, K), and N' seen users.
        responses: M responses with d features, those that pairs name by their rows.
        pairs: folder with files `*.parquet`: user (whole numbers or strings), chosen and rejected.
            Each is sorted by user, and the users of two files do not interleave.
        out: folder of the answers, new or of an earlier run with the same arguments.
        recipe: by Newton's method; its temperature is that of the recipe which fitted `reward`.
        workers: processes of this machine. A script that asks for more than one starts below
            `if __name__ == "__main__":`.
        cluster: address of a Dask scheduler whose workers see both folders by the same paths.
        device: where to compute; default a GPU if there is one.
        progress: show partitions, and users per second; TQDM_DISABLE=1 hides them too.

    Raises:
        ValueError: an argument is of another kind, pairs are not in order or not of these
            responses, or `out` belongs to something else.
        FileNotFoundError: there is no folder of pairs.
        RuntimeError, OSError, ImportError: a worker died; no cluster answers, or it writes
            elsewhere; pyarrow, or for a cluster distributed, is not installed.

    Source: the few-shot stage of LoRe (arXiv 2504.14439).
    """
    check(reward, responses, recipe)
    check_engine(workers, cluster)
    checks.flag("progress", progress)
    out, found = Path(out).absolute(), partitions(Path(pairs).absolute())
    prepare(out, reward.to("cpu"), responses.to("cpu"), recipe, found)
    stamp = manifest.stamp(out)
    jobs = [Job(partition.path, out, stamp, device) for partition in found]
    todo = [job for job in jobs if not job.target.exists()]
    begin, fresh = monotonic(), 0
    for _, n_users in counted(engine(todo, workers, cluster), len(jobs), len(todo), progress):
        fresh += n_users
    seconds = monotonic() - begin
    forget_the_killed(out / WEIGHTS)
    check_seen(jobs)
    users = sum(rows_of(job.target) for job in jobs)
    return Adapted(out / WEIGHTS, users, len(jobs), fresh, seconds)


def check(reward: LowRankReward, responses: Responses, recipe: FewShot) -> None:
    """Say what is wrong with the arguments before any work is done."""
    checks.instance_of("reward", reward, LowRankReward)
    checks.instance_of("responses", responses, Responses)
    checks.instance_of("recipe", recipe, FewShot)
    if recipe.optimizer != "newton":
        raise ValueError(
            f"the recipe's optimizer is {recipe.optimizer!r}, which starts at random, so that an "
            "answer would depend on who else is in the partition; use 'newton'"
        )


def counted(
    done: Iterator[tuple[str, int]], n_jobs: int, n_todo: int, progress: bool
) -> Iterator[tuple[str, int]]:
    """What is done, with a bar of partitions that tells users per second."""
    with nullcontext() if progress else silent():
        bar = Bar("adapt", n_jobs, "partition", "users", done=n_jobs - n_todo)
    with bar:
        for name, n_users in done:
            bar.step(n_users)
            yield name, n_users


def check_seen(jobs: Sequence[Job]) -> None:
    """Raise an OSError if an answer that was written is not to be seen here."""
    missing = [job.target for job in jobs if not job.target.exists()]
    if missing:
        raise OSError(
            f"{len(missing)} files such as {missing[0]} were written and are not here; workers of "
            "a cluster have to see the same folders by the same paths"
        )


def forget_the_killed(folder: Path) -> None:
    """Remove what killed workers left unfinished, now that everything is done."""
    for left in folder.glob(".*.part"):
        left.unlink(missing_ok=True)
