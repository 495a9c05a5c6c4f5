"""The house style of every figure, and how a figure is saved with the numbers it shows."""

import json
import os
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval
from lore_core.tools.files import whole
from lore_core.tools.palette import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY
from lore_core.tools.paths import BUILD

RC: dict[str, Any] = {
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
    "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, PINK, SKY, GREY, BLACK]),
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "savefig.bbox": "tight",  # a label longer than its axis is not cut
    "svg.hashsalt": "lore",  # without it two identical figures differ in their ids
    "svg.fonttype": "path",
}


def use() -> None:
    """Draw everything from here on in the house style."""
    mpl.rcParams.update(RC)  # type: ignore[arg-type]


def save(figure: Figure, name: str, numbers: dict, out: str = "figures", *, alt: str) -> None:
    """Write NAME.svg and, beside it, NAME.json with the numbers that the figure shows; show it.

    Args:
        figure: a matplotlib figure.
        name: starts with the lesson's number, such as "04_ranks"; a name, not a path.
        numbers: nested dictionaries and lists of numbers, tensors or Intervals.
        out: folder, relative to build/, or to the folder in the variable LORE_OUT.
        alt: a sentence or two for whoever cannot see the figure; the title inside the SVG.

    Raises:
        ValueError: the name is not a plain one, a number is NaN or infinite, or `alt` is empty.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"name is {name!r}, expected a plain name; say with `out` where it goes")
    require_words(alt)
    stem = Path(os.environ.get("LORE_OUT", BUILD)) / out / name
    text = json.dumps(plain(numbers), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with whole(f"{stem}.json") as numbers_file, whole(f"{stem}.svg") as picture:
        metadata = {"Title": alt, "Date": None, "Creator": None}
        figure.savefig(picture, format="svg", metadata=metadata)
        numbers_file.write_text(text, encoding="utf-8")
    show(figure, alt)


def show(figure: Figure, alt: str) -> None:
    """Show a figure in a notebook, with the words that stand for it. Elsewhere, do nothing.

    Args:
        figure: a matplotlib figure; it is closed, so that the cell does not show it again.
        alt: a sentence or two; the alternative text of the picture that the notebook stores.

    Raises:
        ValueError: `alt` is empty.
    """
    require_words(alt)
    if not in_kernel():
        return
    from IPython.display import display  # a kernel has brought it; the library does without

    display(figure, metadata={"image/png": {"alt": alt}})
    plt.close(figure)


def in_kernel() -> bool:
    """Whether this runs in a notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


def require_words(alt: str) -> None:
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"alt is {alt!r}, expected a sentence that says what the figure shows")


def plain(value: Any) -> Any:
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
