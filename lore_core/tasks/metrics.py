"""How good answers are: errors of ratings, accuracy of tags.

Shapes: n items, N users, L labels.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lore_core.tools import checks, extra

LEAST, MOST = 1.0, 5.0  # LaMP-3's stars


def read_number(text: str) -> float:
    """The number that an answer is, or NaN if it is none, or infinite."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def errors(given: object, wanted: object, least: float = LEAST, most: float = MOST) -> Tensor:
    """How far each rating is off, (n,) float64.

    Args:
        given: (n,) numbers; NaN is an answer that could not be read, and counts as the end of the
            scale that is farther from what was wanted.
        wanted: (n,) numbers from least to most.
        least, most: the ends of the scale.

    Raises:
        ValueError: the lengths differ, there are none, or a wanted rating is not on the scale.

    Source: evaluation of LaMP-3 (arXiv 2304.11406).
    """
    answers, truth = checks.vector("given", given), checks.vector("wanted", wanted)
    checks.same_length("given", answers, "wanted", truth)
    off = truth[~((truth >= least) & (truth <= most))]
    if len(off) or len(truth) == 0:
        what = f"contains {float(off[0])}" if len(off) else "is empty"
        raise ValueError(f"wanted {what}, expected ratings from {least:g} to {most:g}")
    farther = torch.maximum(truth - least, most - truth)
    return torch.where(answers.isnan(), farther, (answers - truth).abs())


def mae(given: object, wanted: object, least: float = LEAST, most: float = MOST) -> float:
    """Mean absolute error of ratings; arguments as in `errors`."""
    return float(errors(given, wanted, least, most).mean())


def rmse(given: object, wanted: object, least: float = LEAST, most: float = MOST) -> float:
    """Root of the mean squared error of ratings; arguments as in `errors`."""
    return float(errors(given, wanted, least, most).square().mean().sqrt())


def accuracy(given: Sequence, wanted: Sequence) -> float:
    """Share of labels that are right.

    Args:
        given, wanted: n labels each, as numbers or as strings.

    Raises:
        ValueError: the lengths differ, or there are none.
    """
    pairs = matched(given, wanted)
    return sum(one == other for one, other in pairs) / len(pairs)


def macro_f1(given: Sequence, wanted: Sequence, labels: Sequence) -> float:
    """F1 of each label, averaged over all labels of the task, also those that nobody used.

    Args:
        given: n labels; what is not among `labels` is wrong.
        wanted: n labels.
        labels: all L.

    Raises:
        ValueError: the lengths differ, there are none, or a wanted label is not the task's.
        ImportError: scikit-learn is not installed.

    Source: evaluation of LaMP-1 and 2 (arXiv 2304.11406).
    """
    place = {label: row for row, label in enumerate(plain(labels))}
    pairs = matched(given, wanted)
    strange = [label for _, label in pairs if label not in place]
    if strange:
        raise ValueError(f"wanted contains {strange[0]!r}, expected one of {list(place)}")
    answers = [place.get(label, -1) for label, _ in pairs]
    truth = [place[label] for _, label in pairs]
    every = list(place.values())
    f1 = extra.needed("sklearn.metrics", "macro F1").f1_score
    return float(f1(truth, answers, labels=every, average="macro", zero_division=0))


def by_user(values: Tensor, user: Tensor, n_users: int) -> Tensor:
    """The mean of each user's items, (N,) float64; NaN for a user without one.

    Args:
        values: (n,) one number per item.
        user: (n,) ids in [0, N).
        n_users: N.
    """
    owner, numbers = checks.index_vector("user", user), checks.vector("values", values)
    checks.same_length("values", numbers, "user", owner)
    checks.below("user", owner, checks.whole_number("n_users", n_users, at_least=1))
    total = torch.zeros(n_users, dtype=torch.float64).index_add_(0, owner.cpu(), numbers)
    return total / owner.cpu().bincount(minlength=n_users)


def matched(given: Sequence, wanted: Sequence) -> list[tuple]:
    """What was answered beside what was wanted, item by item."""
    checks.same_length("given", given, "wanted", wanted)
    if len(wanted) == 0:
        raise ValueError("there are no answers to score; give at least one")
    return list(zip(plain(given), plain(wanted), strict=True))


def plain(labels: Sequence) -> list:
    """Labels as Python's own numbers or strings."""
    return labels.tolist() if isinstance(labels, Tensor) else list(labels)
