"""From a policy for each grid weight to a portfolio: as few as do, or the best n.

`smallest` finds few policies of which everybody has one within ε. `of_size` turns it round and
searches n policies with a small worst gap, from three starts: the greedy cover of the smallest ε
that a bisection finds, one policy after the other from nothing, and one more than the portfolio
that is smaller by one. From each, policies are exchanged one by one as long as that lowers the
worst gap, or at the same worst gap the mean one. A larger portfolio is never worse.

Shapes: L policies, U targets, n chosen.

Source: PALM (arXiv 2604.04144); the starts and the exchange are ours.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from lore_core.palm.cover import gaps, greedy_cover
from lore_core.palm.policy import Policies, values
from lore_core.palm.portfolio import Portfolio
from lore_core.tools import checks

NEAR = 1e-4  # where the bisection on ε ends
CELLS = 2**22  # gaps held at once, in an exchange


class Targets(NamedTuple):
    """Whom a portfolio has to serve: `weights` (U, K), and f_v* of each, `optimum` (U,)."""

    weights: Tensor
    optimum: Tensor


def smallest(policies: Policies, targets: Targets, epsilon: float, delta: float = 0.0) -> Portfolio:
    """A small portfolio of which every target finds a policy within ε.

    Args:
        policies: L to choose from.
        targets: U of them.
        epsilon: the relative gap ε that is allowed, below 1.
        delta: the absolute error δ that is forgiven.

    Raises:
        ValueError: some target has no policy within ε; the message names its weights.
    """
    gap = table(policies, targets, delta)
    if checks.number("epsilon", epsilon) >= 1:
        raise ValueError(f"epsilon is {epsilon!r}, expected a share from 0 to 1")
    check_reached(gap, targets, epsilon)
    return Portfolio.of(policies[greedy(gap, epsilon)])


def of_size(policies: Policies, targets: Targets, n: int, delta: float = 0.0) -> Portfolio:
    """The portfolio of n policies with the smallest worst gap that is found.

    Args:
        policies: L to choose from.
        targets: U of them.
        n: how many to choose; if there are fewer, all are taken.
        delta: the absolute error δ that is forgiven.
    """
    return up_to(policies, targets, n, delta)[-1]


def up_to(policies: Policies, targets: Targets, n: int, delta: float = 0.0) -> list[Portfolio]:
    """The portfolios of 1, 2, ..., n policies; args as for `of_size`."""
    gap, found = table(policies, targets, delta), []
    chosen: list[int] = []
    for size in range(1, min(checks.whole_number("n", n, at_least=1), len(policies)) + 1):
        starts: list[list[int]] = [chosen, bisected(gap, size), []]
        each = [exchanged(gap, grown(gap, start, size)) for start in starts]
        chosen = min(each, key=lambda some: left(gap, some))
        found.append(Portfolio.of(policies[chosen]))
    return found


def table(policies: Policies, targets: Targets, delta: float) -> Tensor:
    """The gap of every policy for every target, (L, U)."""
    checks.same_length("targets' weights", targets.weights, "their optimum", targets.optimum)
    return gaps(values(policies, targets.weights), targets.optimum, delta)


def greedy(gap: Tensor, epsilon: float) -> list[int]:
    """Policies that cover everybody within ε; of those that add equally many, the better one."""
    return greedy_cover(gap <= epsilon, cost=gap.mean(1))


def left(gap: Tensor, chosen: list[int]) -> tuple[float, float]:
    """The worst and the mean gap, when everybody has the best of the chosen policies."""
    least = gap[chosen].amin(0)
    return float(least.max()), float(least.mean())


def bisected(gap: Tensor, n: int) -> list[int]:
    """At most n policies that cover everybody within the smallest ε that the greedy cover finds."""
    low, high = float(gap.amin(0).max()), float(gap.amax())
    chosen = greedy(gap, high)
    while high - low > NEAR:
        middle = (low + high) / 2
        found = greedy(gap, middle)
        if len(found) <= n:
            chosen, high = found, min(middle, left(gap, found)[0])
        else:
            low = middle
    return chosen


def grown(gap: Tensor, chosen: list[int], n: int) -> list[int]:
    """The chosen policies and more, up to n: each time the one that leaves the lowest worst gap.

    Among those that leave the same worst gap, the lowest mean gap decides.
    """
    chosen = list(chosen)
    while len(chosen) < n:
        least = gap[chosen].amin(0) if chosen else torch.full_like(gap[0], torch.inf)
        chosen.append(best_row(gap, least, chosen))
    return chosen


def best_row(gap: Tensor, least: Tensor, taken: list[int]) -> int:
    """The row that, beside the gaps so far, makes the worst (then the mean) gap smallest."""
    scores = []
    for some in gap.split(max(1, CELLS // gap.shape[1])):
        joint = torch.minimum(some, least)
        scores.append(torch.stack([joint.amax(1), joint.mean(1)], 1))
    table = torch.cat(scores)
    table[taken] = torch.inf
    lowest = table[:, 0] <= table[:, 0].min()
    return int(torch.where(lowest, table[:, 1], torch.inf).argmin())


def exchanged(gap: Tensor, chosen: list[int]) -> list[int]:
    """The chosen policies, one after the other put out for a better one while that helps."""
    chosen, better = list(chosen), True
    while better:
        better = False
        for place in range(len(chosen)):
            others = chosen[:place] + chosen[place + 1 :]
            other = grown(gap, others, len(chosen))
            if left(gap, other) < left(gap, chosen):
                chosen, better = other, True
    return chosen


def check_reached(gap: Tensor, targets: Targets, epsilon: float) -> None:
    """Raise a ValueError that names a target for which no policy is within ε."""
    least = gap.amin(0)
    if float(least.max()) > epsilon:
        weights = ", ".join(f"{weight:.3f}" for weight in targets.weights[least.argmax()].tolist())
        raise ValueError(
            f"no policy of this grid is within epsilon={epsilon:g} for weight [{weights}], the "
            f"nearest is at {float(least.max()):.4f}; use a finer grid, or a larger epsilon"
        )
