"""A sweep, from its YAML file to its table: `make sweep`.

sweep.py FILE [options of Snakemake...]     ends with 0 if every run has its result, 1 if one has
                                            none, and 2 if the file cannot be run

A run is done if its result is there and was made from the same settings, code, data and packages.
Snakemake is asked for the others only. It runs without its own lock, which a killed run leaves
behind; the one that is taken here ends with the process that holds it.
"""

import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from rooms import needs_of_run

from lore_core.evaluation import sweep_file, sweep_rows
from lore_core.evaluation.result import Result
from lore_core.evaluation.sweep import Run
from lore_core.tools import checksums
from lore_core.tools.files import whole

SNAKEMAKE = ("--snakefile", "workflow/sweep.smk", "--nolock", "--ignore-incomplete", "--keep-going")
MORE = ("--quiet", "rules", "host", "--rerun-triggers", "mtime")
LOCAL = ("--workflow-profile", "profiles/local")
PLAN, ACCOUNT = "plan.json", "snakemake.log"  # what the jobs are told, what Snakemake says
SHOWN = 10  # lines of a list, at most


@cache
def digest(path: str) -> str:
    return checksums.sha256(Path(path).read_bytes())


def files(run: Run) -> list[str]:
    """What a run stands on: what it imports, of all methods its own, its data, the packages."""
    found = needs_of_run("workflow/sweep_run.py", run.candidates.values(), run.benchmark.data)
    return sorted({*found, "requirements.lock"})


def made_from(run: Run, told: dict[str, Any]) -> str:
    """One checksum of all that a result depends on."""
    known = [json.dumps(told, sort_keys=True), str(run.candidates)]
    known += [f"{digest(path)}  {path}" for path in files(run)]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()


def plan(settings: dict[str, Any], runs: list[Run]) -> dict[str, Any]:
    """What the jobs are told, in JSON."""
    told = {run.name: run.told() for run in runs}
    marks = {run.name: made_from(run, told[run.name]) for run in runs}
    return {
        "work": settings["work"],
        "runs": {name: {"run": told[name], "made_from": marks[name]} for name in told},
    }


@contextmanager
def alone(work: Path) -> Iterator[int]:
    """Hold a sweep's folder until this process and its Snakemake end, or raise an OSError."""
    work.mkdir(parents=True, exist_ok=True)
    with open(work / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"another sweep is at work in {work}; wait until it has ended") from None
        yield file.fileno()


def done(asked: dict[str, Any]) -> dict[str, list[sweep_rows.Row]]:
    """The rows of every run whose result is there and current; other results are removed."""
    found = {}
    for name, told in asked["runs"].items():
        path = Path(asked["work"]) / f"{name}.safetensors"
        try:
            about = Result.load(path).about
        except FileNotFoundError:
            continue
        except ValueError:
            about = {}
        if about.get("made_from") == told["made_from"]:
            found[name] = about["rows"]
        else:
            path.unlink()
    return found


def forget_logs(work: Path, names: Iterable[str]) -> None:
    """Remove what these runs said the last time they were tried."""
    for name in names:
        (work / f"{name}.log").unlink(missing_ok=True)


def compute(work: Path, options: list[str], lock: int) -> None:
    """Have Snakemake run what is missing. Whatever it says, what counts is what is there then."""
    command = [sys.executable, "-m", "snakemake", *SNAKEMAKE, *MORE, *LOCAL, *options]
    command += ["--configfile", str(work / PLAN)]
    with (
        open(work / ACCOUNT, "w", encoding="utf-8") as said,
        subprocess.Popen(command, stderr=said, pass_fds=(lock,)) as snakemake,
    ):
        try:
            snakemake.wait()
        except KeyboardInterrupt:  # it was told too, and stops its jobs
            snakemake.wait()


def account(asked: dict[str, Any], found: dict[str, Any], out: str) -> list[str]:
    """What is said at the end."""
    work, missing = Path(asked["work"]), [name for name in asked["runs"] if name not in found]
    lines = [f"{len(found)} of {len(asked['runs'])} runs are in {out}."]
    if not missing:
        return lines
    logs = [log for log in (work / f"{name}.log" for name in missing) if log.exists()]
    lines += [f"Missing: {len(missing)}. Those that failed, or were stopped, left a log:"]
    lines += [f"  {log}" for log in logs[:SHOWN]]
    lines += [f"  and {len(logs) - SHOWN} more"] if len(logs) > SHOWN else []
    lines += tail(work / ACCOUNT) if not logs else []
    return [*lines, "The same command runs what is missing, and nothing else."]


def tail(path: Path) -> list[str]:
    """The last lines of what Snakemake said, for when no run has anything to say."""
    last = path.read_text(encoding="utf-8").splitlines()[-SHOWN:]
    return ["  none; Snakemake said", *(f"  {line}" for line in last)]


def sweep(path: str, options: list[str]) -> int:
    """Run what is missing and write the table of what is there.

    Returns:
        0 if every run has its result, else 1.
    """
    settings, runs = sweep_file.read(path)
    asked = plan(settings, runs)
    work = Path(settings["work"])
    with alone(work) as lock:
        before = done(asked)
        print(f"{len(runs)} runs, {len(before)} of them are there already.", flush=True)
        if len(before) < len(runs):
            forget_logs(work, asked["runs"].keys() - before.keys())
            with whole(work / PLAN) as unfinished:
                unfinished.write_text(json.dumps(asked), encoding="utf-8")
            compute(work, options, lock)
        found = done(asked)
        made = sweep_rows.table(row for name in found for row in found[name])
        sweep_rows.write(made, settings["out"])
    print(*account(asked, found, settings["out"]), sep="\n")
    return int(len(found) < len(runs))


def main(arguments: list[str]) -> int:
    """The command; what cannot be run is one line."""
    try:
        if not arguments:
            raise ValueError("which? Give a YAML file, such as profiles/sweep.yaml")
        return sweep(arguments[0], arguments[1:])
    except (ValueError, OSError, ImportError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
