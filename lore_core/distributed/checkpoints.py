"""Checkpoints of a run on several processes: each writes its part, then the first says so.

    checkpoint/ridge-1e-05/step-7/part-0.safetensors    one for each process
    checkpoint/ridge-1e-05/latest.json                  the step of which all parts are there

Whatever is killed, and whenever: `latest.json` names a step whose parts are whole.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from lore_core.descent import Keeper
from lore_core.distributed.processes import Processes
from lore_core.distributed.trees import put_together, taken_apart
from lore_core.run import Run
from lore_core.tools import checks, checksums, tensor_files

KIND = "part of a run"
LATEST = "latest.json"


class Checkpoints(Keeper):
    """Keeps a run in a folder.

    Args:
        folder: for all descents of one fit.
        processes: that share it.
        steps, seconds: a checkpoint is due after so many optimiser steps, or so many seconds,
            whichever comes first.

    Raises:
        ValueError: steps or seconds are out of range.
    """

    def __init__(self, folder: Path, processes: Processes, steps: int = 10, seconds: float = 300):
        self.folder = folder
        self.processes = processes
        self.steps = checks.whole_number("steps", steps, at_least=1)
        self.seconds = checks.number("seconds", seconds)
        self.last_step, self.last_time = 0, time.monotonic()

    def begin(self, run: Run) -> None:
        """Go on from the latest checkpoint of this descent, if there is one.

        Raises:
            ValueError: a part of it is missing or damaged.
        """
        step = self.processes.first(self.latest(run))
        if step is not None:
            run.load_state_dict(self.processes.agreed(lambda: self.read(run, step)))
        self.last_step, self.last_time = len(run.losses), time.monotonic()

    def go_on(self, run: Run) -> None:
        """Keep the run, if it is time."""
        waited = time.monotonic() - self.last_time >= self.seconds
        if len(run.losses) - self.last_step >= self.steps or self.processes.first(waited):
            self.keep(run)

    def end(self, run: Run) -> None:
        """Keep how the run ended."""
        self.keep(run)

    def keep(self, run: Run) -> None:
        """Write every process' part, then say that they are there, then forget older ones."""
        here, step = self.folder / name(run), len(run.losses)
        self.processes.agreed(lambda: self.write(run, step))
        if self.processes.rank == 0:
            checksums.write(here / LATEST, json.dumps(step).encode())
            for older in set(here.glob("step-*")) - {here / f"step-{step}"}:
                shutil.rmtree(older)
        self.last_step, self.last_time = step, time.monotonic()

    def latest(self, run: Run) -> int | None:
        """The step of this descent's latest checkpoint."""
        path = self.folder / name(run) / LATEST
        return json.loads(path.read_bytes()) if path.is_file() else None

    def write(self, run: Run, step: int) -> None:
        """Write this process' part."""
        tensors: dict = {}
        state = taken_apart(run.state_dict(), tensors)
        tensor_files.write(self.part(run, step), tensors, {"kind": KIND, "state": state})

    def read(self, run: Run, step: int) -> dict:
        """Read this process' part."""
        return tensor_files.read_as(
            self.part(run, step), KIND, lambda tensors, about: put_together(about["state"], tensors)
        )

    def part(self, run: Run, step: int) -> Path:
        """The file of this process."""
        return self.folder / name(run) / f"step-{step}" / f"part-{self.processes.rank}.safetensors"


def name(run: Run) -> str:
    """What tells the descents of one fit apart."""
    return f"ridge-{run.objective.recipe.ridges[0]:g}"
