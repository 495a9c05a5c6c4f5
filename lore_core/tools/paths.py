"""Where things are, found from this file: a lesson runs from any folder."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
FIGURES = ROOT / "figures"
BUILD = ROOT / "build"  # what a run makes; figures/ holds what is committed
