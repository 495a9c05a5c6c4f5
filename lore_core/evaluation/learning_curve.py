"""Few-shot curves: accuracy of new users against the number of pairs that they give.

Each user's pairs are put in a random order, again and again; n shots are the first n of an order,
or all of them where a user has fewer.
All shot counts, orders and users stand side by side as if they were different users, so a method
adapts all of them in one call.

Shapes: S shot counts, R repeats (orders), N users, p numbers kept per user.

Source: Figure 2 of LoRe (arXiv 2504.14439), which repeats each shot count on random subsamples.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lore_core.evaluation.accuracy import accuracy
from lore_core.methods.protocol import Model
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import checks, draws


def few_shots(
    pool: Preferences, counts: Sequence[int], repeats: int, generator: torch.Generator
) -> Preferences:
    """The pairs of S · R · N users: user u of order r with counts[s] shots is (s R + r) N + u.

    A user who has fewer pairs than a count gives all of them.

    Args:
        pool: pairs of N users.
        counts: S numbers of shots.
        repeats: R.
        generator: source of the orders, on the CPU.

    Raises:
        ValueError: nobody has as many pairs as the largest count.
    """
    check_counts(pool, counts)
    checks.whole_number("repeats", repeats, at_least=1)
    places = torch.stack([pool.random_places(generator) for _ in range(repeats)])  # (R, B)
    taken = torch.stack([places < count for count in counts])  # (S, R, B)
    virtual, pair = taken.flatten(0, 1).nonzero().unbind(1)
    user = virtual * pool.n_users + pool.user[pair]
    return Preferences(
        user=user,
        chosen=pool.chosen[pair],
        rejected=pool.rejected[pair],
        n_users=len(counts) * repeats * pool.n_users,
    )


def check_counts(pool: Preferences, counts: Sequence[int]) -> None:
    """Raise a ValueError unless somebody has as many pairs as the largest count."""
    for count in counts:
        checks.whole_number("shots", count, at_least=0)
    if not counts:
        raise ValueError("counts is empty, expected at least one number of shots")
    most = int(pool.counts.max())
    if most < max(counts):
        raise ValueError(
            f"the most pairs that a user has are {most}, but {max(counts)} shots are asked for; "
            "ask for fewer shots"
        )


def mean_shots(pool: Preferences, count: int) -> float:
    """How many pairs users give on average when at most `count` are asked of each."""
    return float(pool.counts.clamp_max(count).double().mean())


def few_shot_accuracy(
    model: Model,
    responses: Responses,
    pool: Preferences,
    tests: Preferences,
    counts: Sequence[int],
    repeats: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Adapt new users to every number of shots, and test them.

    Args:
        model: what was learned from seen users.
        responses: what is ranked.
        pool: pairs of N new users that shots are drawn from.
        tests: other pairs of the same users.
        counts, repeats: S and R.
        seed: of the orders, and of the method's own draws.

    Returns:
        Accuracies (S, R, N), and what the method keeps of everybody (S, R, N, p).
    """
    shots = few_shots(pool, counts, repeats, draws.generator(seed))
    personal = model.adapt(responses, shots, seed)
    personal = personal.view(len(counts), repeats, pool.n_users, -1)
    everybody = repeated(tests, repeats)
    per_count = [accuracy(model, responses, everybody, some.flatten(0, 1)) for some in personal]
    return torch.stack(per_count).view(personal.shape[:3]), personal


def repeated(pairs: Preferences, times: int) -> Preferences:
    """The same pairs for so many copies of the users: user u of copy r is r N + u."""
    user = torch.arange(times, device=pairs.user.device)[:, None] * pairs.n_users + pairs.user
    return Preferences(
        user=user.flatten(),
        chosen=pairs.chosen.repeat(times),
        rejected=pairs.rejected.repeat(times),
        n_users=times * pairs.n_users,
    )
