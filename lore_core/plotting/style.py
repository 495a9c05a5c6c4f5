"""The house style of every figure, and how a figure is saved with the numbers it shows."""

import json
import os
import re
from pathlib import Path

import matplotlib as mpl
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval
from lore_core.tools.files import whole
from lore_core.tools.paths import BUILD

# Okabe and Ito's palette: told apart by colour-blind readers. One colour per idea, everywhere.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, GREY, BLACK = "#56B4E9", "#D55E00", "#8A8A8A", "#222222"
CYCLE = [BLUE, ORANGE, GREEN, RED, PINK, SKY, GREY, BLACK]

RC = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": BLACK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "axes.prop_cycle": mpl.cycler(color=CYCLE),
    "svg.hashsalt": "lore",  # without it two identical figures differ in their ids
    "svg.fonttype": "path",
}


def use() -> None:
    """Draw everything from here on in the house style."""
    mpl.rcParams.update(RC)


def save(figure, name: str, numbers: dict, out: str = "figures") -> None:
    """Write NAME.svg and, beside it, NAME.json with the numbers that the figure shows.

    Args:
        figure: a matplotlib figure.
        name: starts with the lesson's number, such as "04_ranks"; a name, not a path.
        numbers: nested dictionaries and lists of numbers, tensors or Intervals.
        out: folder, relative to build/, or to the folder in the variable LORE_OUT.

    Raises:
        ValueError: the name is not a plain one, or a number is NaN or infinite.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"name is {name!r}, expected a plain name; say with `out` where it goes")
    stem = Path(os.environ.get("LORE_OUT", BUILD)) / out / name
    text = json.dumps(plain(numbers), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with whole(f"{stem}.json") as numbers_file, whole(f"{stem}.svg") as picture:
        metadata = {"Date": None, "Creator": None}
        figure.savefig(picture, format="svg", metadata=metadata)
        numbers_file.write_text(text, encoding="utf-8")


def plain(value):
    """The same value in JSON's types, numbers to four decimals."""
    if isinstance(value, Interval):
        return {key: plain(number) for key, number in value._asdict().items()}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Tensor):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str | bool | int):
        return value
    return round(float(value), 4) + 0.0  # + 0.0 turns -0.0 into 0.0
