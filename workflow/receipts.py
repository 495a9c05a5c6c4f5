"""What a lesson drew, how long it took, and whether that still stands."""

import hashlib
import json
import os
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "figures"
BUILD = Path(os.environ.get("LORE_OUT", ROOT / "build"))  # as for the lessons' figures
FIGURES = BUILD / "figures"


def lessons() -> list[str]:
    return sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


def executed(lesson: str) -> Path:
    return BUILD / f"{lesson}.ipynb"


def receipt(lesson: str) -> Path:
    return BUILD / f"{lesson}.json"


def figures_since(lesson: str, start: float) -> list[Path]:
    """Figures that carry the lesson's number and were written after `start`."""
    numbered = sorted(FIGURES.glob(f"{lesson.split('_')[0]}_*"))
    return [path for path in numbered if path.stat().st_mtime >= start]


def fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(lesson: str, seconds: float, figures: list[Path]) -> None:
    content = {
        "lesson": lesson,
        "seconds": round(seconds, 1),
        "figures": {path.name: fingerprint(path) for path in figures},
    }
    half = receipt(lesson).with_suffix(".part")
    half.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(half, receipt(lesson))


def read(lesson: str) -> dict | None:
    """The receipt, or None if there is none, or if what it speaks of was deleted or changed."""
    try:
        content = json.loads(receipt(lesson).read_text())
        float(content["seconds"])
        now = {name: fingerprint(FIGURES / name) for name in content["figures"]}
    except (OSError, ValueError, KeyError, TypeError):  # no file, no JSON, or of another shape
        return None
    return content if now == content["figures"] and executed(lesson).exists() else None


def forget_killed_runs(older_than: float = 3600) -> None:
    """Remove half-written files of runs that were killed; a younger one may still be at work."""
    for left in [*BUILD.glob("*.part"), *FIGURES.glob(".*.part")]:
        if time.time() - left.stat().st_mtime > older_than:
            left.unlink(missing_ok=True)
