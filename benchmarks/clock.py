"""Times and memory that can be compared: taken in turns, or each in a process of its own."""

from __future__ import annotations

import ctypes
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


def peak_above(way: Callable[[], object]) -> int:
    """The most memory that something needs beside what is held before it; Linux only."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed counts as needed, if it is needed again
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = held("VmRSS")
    way()
    return held("VmHWM") - before


def held(name: str) -> int:
    """Bytes that this process holds, by the name of a line of its status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


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
