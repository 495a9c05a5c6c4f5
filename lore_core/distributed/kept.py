"""The folder of a fit: what it is made from, and what came out.

manifest.json         files with their SHA-256, rank, seed, recipe, processes; written first
checkpoint/           how far it is; removed at the end
reward.safetensors    what LowRankReward.load reads
fit.json              losses, validation losses, the chosen ridge, seconds; written last
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from lore_core.fit import Fit
from lore_core.tools import checksums

CHECKPOINT, REWARD, FIT = "checkpoint", "reward.safetensors", "fit.json"


def sums(path: Path, memory: Path) -> dict[str, str]:
    """SHA-256 of a file, or of the Parquet files of a folder, by name."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    return {file.name: checksums.of_file(file, memory) for file in files}


def is_done(folder: Path) -> bool:
    """Whether the fit has ended."""
    return (folder / FIT).is_file()


def write(folder: Path, fit: Fit) -> None:
    """Write what came out, and remove the checkpoint."""
    fit.reward.save(folder / REWARD)
    said = {
        "losses": fit.losses,
        "validation": fit.validation,
        "ridge_basis": fit.ridge_basis,
        "seconds": fit.seconds,
        "reward": checksums.sha256((folder / REWARD).read_bytes()),
    }
    checksums.write(folder / FIT, json.dumps(said, indent=1).encode())
    shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)


def summary(folder: Path) -> str:
    """What came out, for a reader of the terminal."""
    said = json.loads((folder / FIT).read_bytes())
    return (
        f"{folder / REWARD}: loss {said['losses'][-1]:.6f} after {len(said['losses']) - 1} steps, "
        f"ridge {said['ridge_basis']:g}, {said['seconds']:.1f} s"
    )
