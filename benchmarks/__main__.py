"""All benchmarks, as tables.

python -m benchmarks                     ratios, and growth to a hundred thousand users
python -m benchmarks --large             and a million users, and PersonalLLM's shape
python -m benchmarks --large --write     and keep the tables in benchmarks/RESULTS.md
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence

import torch

from benchmarks import clock
from benchmarks.memory import WAYS
from lore_core.tools.files import whole

RESULTS = clock.ROOT / "benchmarks" / "RESULTS.md"
SIZES = (1_000, 10_000, 100_000)
WORLD = (47, 8, 6440, 384)  # pairs, K, responses, features
MILLION = 1_000_000
PERSONAL_LLM = (1000, 47, 5, 75_216, 4096)  # users, pairs, K, responses, features
SHIPPED = (1000, 47, 5, 6440, 384)
FLOOR = ("rows used", "d", "one gradient", "reading the rows twice", "ratio")
TESTS = 1000  # pairs of each user that PersonalLLM's test has, a vector each as published


def ratios() -> str:
    """The published procedure's time over ours, on the shipped world."""
    found = clock.alone("ratios")
    lines = [
        (
            name,
            f"{row['published']:.3g} s",
            f"{row['ours']:.3g} s",
            f"{row['published'] / row['ours']:,.0f}",
        )
        for name, row in found["rows"].items()
    ]
    best = found["rows"]["to the published best"]
    words = [
        f"The published training's best validation accuracy is {best['best']:.3f}; ours ends at "
        f"{best['reached']:.3f}.",
        "Accuracy on unseen prompts: "
        + ", ".join(f"{name} {value:.3f}" for name, value in found["accuracy"].items())
        + ".",
    ]
    table = markdown(("shipped world", "as published", "here", "ratio"), lines)
    return "\n".join(["## Ratios", "", table, "", *words])


def memory() -> str:
    """The most memory that both need beside the data."""
    lines = []
    for users in SIZES[:2]:
        size = users, *SHIPPED[1:]
        theirs, ours = (clock.alone("memory", way, *size)["bytes"] for way in WAYS)
        lines.append((f"{users:,}", megabytes(theirs), megabytes(ours), f"{theirs / ours:.0f}"))
    table = markdown(("users, 47 pairs each", "as published", "here", "ratio"), lines)
    return "\n".join(["## Memory beside the data", "", table])


def megabytes(size: float) -> str:
    """Bytes in words."""
    return f"{size / 1e6:,.0f} MB"


def floor(large: bool) -> str:
    """One gradient beside what it takes to read the rows twice."""
    lines = []
    for users, *size in (SHIPPED, PERSONAL_LLM) if large else (SHIPPED,):
        found = clock.alone("floor", users, *size)
        times = f"{found['ours']:.3g} s", f"{found['floor']:.3g} s"
        lines.append((f"{found['rows']:,.0f}", f"{size[-1]:,}", *times, f"{multiple(found):.1f}"))
    return "\n".join(["## One gradient and its floor", "", markdown(FLOOR, lines)])


def multiple(found: dict[str, float]) -> float:
    """How many times the floor."""
    return found["ours"] / found["floor"]


def growth(large: bool) -> str:
    """Time and memory of a fit against the number of users."""
    sizes = (*SIZES, MILLION) if large else SIZES
    found = [clock.alone("large", users, *WORLD) for users in sizes]
    lines = [line(row) for row in found]
    whole, last = slopes(found), slopes(found[-2:])
    if large:
        lines.append(line(clock.alone("large", *PERSONAL_LLM, TESTS)))
    words = (
        f"From {sizes[0]:,} to {sizes[-1]:,} users the slope on log–log is {whole[0]:.2f} of time "
        f"and {whole[1]:.2f} of memory; in the last step {last[0]:.2f} and {last[1]:.2f}, and "
        f"{last[2]:.2f} of the time for each gradient."
    )
    if large:
        users, pairs, _, _, d = PERSONAL_LLM
        bytes_ = users * (pairs + TESTS) * d * 4
        words += (
            f" The last row has PersonalLLM's shape; a vector for each pair, as published, would "
            f"take {bytes_ / 1e9:.0f} GB for training and test in single precision."
        )
    names = (
        "users, pairs, d, K, steps, gradients, seconds, peak GB, seen, new users, adapting s, new"
    )
    return "\n".join(["## Growth", "", markdown(names.split(", "), lines), "", words])


def gpu() -> str:
    """Whether the fits above ran on one, as they do where there is one."""
    found = "Not measured."
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        found = f"The fits above ran on {name}; one gradient, its floor and the memory did not."
    return f"## On a GPU\n\n{found}"


def line(row: dict[str, float]) -> tuple[str, ...]:
    """One fit as a row of the table."""
    parts = [f"{row[name]:,.0f}" for name in ("users", "pairs", "d", "rank", "steps", "gradients")]
    parts += [f"{row['seconds']:.3g}", f"{row['peak bytes'] / 1e9:.2f}", f"{row['seen']:.3f}"]
    parts += [f"{row['new users']:,.0f}", f"{row['adapting']:.3g}", f"{row['new']:.3f}"]
    return tuple(parts)


def slopes(found: Sequence[dict[str, float]]) -> list[float]:
    """Of lines through the ends on log–log: time, memory, time for each gradient."""
    (a, b), decades = (found[0], found[-1]), math.log(found[-1]["users"] / found[0]["users"])
    ratios = [b[name] / a[name] for name in ("seconds", "peak bytes", "gradients")]
    return [math.log(ratio) / decades for ratio in (*ratios[:2], ratios[0] / ratios[2])]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--large", action="store_true", help="also what takes minutes and 20 GB")
    parser.add_argument("--write", action="store_true", help=f"keep the tables in {RESULTS.name}")
    options = parser.parse_args()
    head, large = f"# Results\n\n{clock.machine()}", options.large
    parts = [head, ratios(), memory(), floor(large), growth(large), gpu()]
    text = "\n\n".join(parts) + "\n"
    print(text)
    if options.write:
        with whole(RESULTS) as unfinished:
            unfinished.write_text(text)


if __name__ == "__main__":
    main()
