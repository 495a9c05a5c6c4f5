"""Times and memory that can be compared: taken in turns, or each in a process of its own."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from pathlib import Path

import torch
from torch.utils.benchmark import Timer

ROOT = Path(__file__).parents[1]


def least(ways: Mapping[str, Callable[[], object]], runs: int = 5) -> dict[str, float]:
    """The least seconds of each way, all in turns, so that a busy moment hits all alike.

    Args:
        ways: name -> what is done. Each is done once before the clock starts.
        runs: how often.
    """
    timers = {
        name: Timer("way()", globals={"way": way}, num_threads=torch.get_num_threads())
        for name, way in ways.items()
    }
    for timer in timers.values():
        timer.timeit(1)
    rounds = [{name: timer.timeit(1).mean for name, timer in timers.items()} for _ in range(runs)]
    return {name: min(one[name] for one in rounds) for name in ways}


def alone(part: str, *arguments: object) -> dict[str, float]:
    """What `python -m benchmarks.PART ARGUMENTS` prints last, as JSON: a process of its own."""
    words = [sys.executable, "-m", f"benchmarks.{part}", *map(str, arguments)]
    done = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def peak_bytes() -> int:
    """The most memory that this process has held."""
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size * (1 if sys.platform == "darwin" else 1024)


def seconds(way: Callable[[], object]) -> tuple[float, object]:
    """How long something takes once, and what it gives."""
    began = time.perf_counter()
    found = way()
    return time.perf_counter() - began, found


def bandwidth(rows: torch.Tensor) -> float:
    """Seconds in which this machine reads a matrix once: a product with one vector."""
    vector = torch.ones(rows.shape[1], dtype=rows.dtype)
    return least({"read": partial(torch.mv, rows, vector)}, runs=9)["read"]


def machine() -> str:
    """The machine and the day, as RESULTS.md has them."""
    threads = f"{torch.get_num_threads()} threads"
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"{platform.machine()} {capability}, {threads}, torch {torch.__version__}, {date.today()}"
    )
