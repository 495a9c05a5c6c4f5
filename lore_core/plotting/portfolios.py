"""The figures of lesson 8: levels, cells, how many policies, who uses which, and what is lost."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import label, plots, triangle
from lore_core.tools.palette import BLACK, BLUE, BROWN, GREEN, GREY, ORANGE, PINK, PURPLE, RED, SKY

COLOURS = {"PALM": PURPLE, "clusters": BROWN, "uniform": GREY, "random": GREY}
DASHED = ("random",)
EACH = (BLUE, ORANGE, GREEN, PINK, SKY, RED, BROWN, PURPLE, GREY, BLACK)  # a portfolio's policies
TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
FEW = 60  # cells whose outlines can still be told apart
Curve = dict[int, Interval]


def levels(rows: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Levels on the line from 0 to 1, each with the part of the line that it covers.

    Args:
        rows: title -> levels (m,), and (m, 2) the lowest and the highest weight that each covers.
    """
    fig, axes = plt.subplots(len(rows), 1, figsize=(8.5, 1.1 * len(rows)), sharex=True)
    for ax, (title, (at, cells)) in zip(axes, rows.items(), strict=True):
        for place, (low, high) in enumerate(cells.tolist()):
            ax.axvspan(low, high, color=PURPLE, alpha=0.12 if place % 2 else 0.28, lw=0)
        ax.plot(at, torch.zeros(len(at)), "|", color=PURPLE, ms=16, mew=2)
        ax.set(title=title, yticks=[], ylim=(-1, 1), xlim=(0, 1))
        ax.grid(False)
        ax.spines["left"].set_visible(False)
    axes[-1].set_xlabel("weight of the first of two rewards")
    return fig


def cells(panels: Mapping[str, Tensor], reach: Sequence[float], corners: list[str]) -> Figure:
    """Grid weights and whom each covers; what no cell covers is shaded.

    Args:
        panels: title -> (G, 3) grid weights.
        reach: the errors ε' and δ' of a cell.
        corners: names of the three rewards: left, right, top.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.7))
    for ax, (title, grid) in zip(axes, panels.items(), strict=True):
        ax.fill(*triangle.CORNERS.T, color=ORANGE, lw=0)
        for weight in grid:
            ax.fill(*triangle.places(cell(weight, *reach)).T, color="white", lw=0)
        for weight in grid if len(grid) <= FEW else ():
            outline = triangle.places(cell(weight, *reach))
            ax.fill(*outline.T, facecolor="none", edgecolor=PURPLE, lw=0.6, alpha=0.6)
        triangle.scatter(triangle.outline(ax, corners), grid, color=PURPLE, s=9, alpha=1)
        ax.set_title(title, loc="center")
    return fig


def cell(weight: Tensor, relative: float, absolute: float) -> Tensor:
    """The corners of the weights that a grid weight covers, (n, 3): a piece of the triangle.

    Args:
        weight: (3,).
        relative, absolute: ε' and δ'.
    """
    lowest, highest = (weight - absolute) / (1 + relative), (weight + absolute) / (1 - relative)
    corners = torch.eye(3, dtype=weight.dtype)
    for k in range(3):
        corners = cut(corners, corners[:, k] - lowest[k])
        corners = cut(corners, highest[k] - corners[:, k])
    return corners


def cut(corners: Tensor, inside: Tensor) -> Tensor:
    """The part of a convex polygon where a linear function is not below 0.

    Args:
        corners: (n, 3) in their order.
        inside: (n,) the function at the corners.
    """
    kept = []
    for place in range(len(corners)):
        one, other = inside[place - 1], inside[place]
        if (one < 0) != (other < 0):
            share = one / (one - other)
            kept.append(corners[place - 1] + share * (corners[place] - corners[place - 1]))
        if other >= 0:
            kept.append(corners[place])
    return torch.stack(kept) if kept else corners[:0]


def by_size(panels: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """What is missed against the number of policies, a panel for each way to count it.

    Args:
        panels: y axis -> method -> policies -> mean and spread.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(4.9 * len(panels), 4.2))
    for ax, (title, curves) in zip(axes, panels.items(), strict=True):
        plots.curves(ax, curves, COLOURS, dashed=DASHED)
        ax.set(title=title, xlabel="policies", yscale="log")
        ax.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
        ax.minorticks_off()
        ax.xaxis.get_major_locator().set_params(integer=True)
        last = {name: list(curve.values())[-1].mean for name, curve in curves.items()}
        label.ends(ax, last, COLOURS)
    return fig


def usage(
    panels: Mapping[str, tuple[Tensor, Tensor, Tensor]], users: Tensor, corners: list[str]
) -> Figure:
    """Who is served by which policy, and how many use each.

    Args:
        panels: title -> weights of the policies (n, 3), who uses which (U,), and shares (n,).
        users: (U, 3).
        corners: names of the three rewards: left, right, top.
    """
    look = {"width_ratios": [1.25, 1]}
    fig, axes = plt.subplots(len(panels), 2, figsize=(8, 3.4 * len(panels)), gridspec_kw=look)
    longest = 1.05 * max(float(shares.max()) for _, _, shares in panels.values())
    for (ax, bars), (title, (weights, assigned, shares)) in zip(axes, panels.items(), strict=True):
        triangle.outline(ax, corners)
        colours = [EACH[place % len(EACH)] for place in range(len(weights))]
        triangle.scatter(ax, users, color=[colours[j] for j in assigned.tolist()], s=8, alpha=0.6)
        look_at = {"color": colours, "s": 150, "marker": "*", "edgecolor": BLACK, "lw": 0.8}
        triangle.scatter(ax, weights, **look_at, alpha=1, zorder=3)
        ax.set_title(title, loc="center")
        bars.barh([f"policy {j + 1}" for j in range(len(weights))], shares.tolist(), color=colours)
        bars.invert_yaxis()
        bars.set(xlabel="share of the users", xlim=(0, longest))
    return fig


def ladder(rungs: Mapping[str, Interval], colours: Mapping[str, str]) -> Figure:
    """What each way of serving users gives them, as a share of the most there is.

    Args:
        rungs: name -> share with its interval, from the best to the worst.
        colours: name -> colour.
    """
    fig, ax = plt.subplots(figsize=(8.5, 0.5 * len(rungs) + 0.8))
    rows = {name: {name: share} for name, share in rungs.items()}
    plots.points(ax, rows, {name: colours[name] for name in rungs})
    if legend := ax.get_legend():
        legend.remove()
    ax.set(xlabel="share of the possible gain in true utility", xlim=(0, 1.03))
    return fig


def bound(loss: Tensor, promised: Tensor) -> Figure:
    """The true loss of pairs of a grid weight and a user in its cell, beside what is promised.

    Args:
        loss, promised: (n,).
    """
    fig, ax = plt.subplots(figsize=(7, 3.6))
    table = pd.DataFrame({"loss": loss, "bound": promised}).sort_values("loss", ignore_index=True)
    ax.fill_between(table.index, table["loss"], color=PURPLE, alpha=0.4, lw=0)
    ax.plot(table.index, table["loss"], color=PURPLE)
    ax.plot(table.index, table["bound"], ".", color=GREY, ms=2)
    ax.set(xlabel="pairs of a policy and a user in its cell, by their loss", ylabel="loss, f* − f")
    ends = {"in truth": float(table["loss"].iloc[-1]), "the lemma's bound": float(promised.mean())}
    label.ends(ax, ends, {"in truth": PURPLE, "the lemma's bound": GREY})
    return fig
