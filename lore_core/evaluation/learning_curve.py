"""Few-shot curves: accuracy of new users against the number of pairs that they give.

Each user's pairs are put in a random order, again and again; n shots are the first n of an order.
All shot counts, orders and users stand side by side as if they were different users, so a method
adapts all of them in one call.

Shapes: S shot counts, R repeats (orders), N users, p numbers kept per user.

Source: Figure 2 of LoRe (arXiv 2504.14439), which repeats each shot count on random subsamples.
"""

import torch
from torch import Tensor

from lore_core.methods.protocol import Model
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import checks, draws


def few_shots(
    pool: Preferences, counts: list[int], repeats: int, generator: torch.Generator
) -> Preferences:
    """The pairs of S · R · N users: user u of order r with counts[s] shots is (s R + r) N + u.

    Args:
        pool: pairs of N users.
        counts: S numbers of shots.
        repeats: R.
        generator: source of the orders, on the CPU.

    Raises:
        ValueError: a user has fewer pairs than the largest count.
    """
    counts = list(counts)
    check_enough(pool, counts)
    checks.whole_number("repeats", repeats, at_least=1)
    places = torch.stack([pool.random_places(generator) for _ in range(repeats)])  # (R, B)
    taken = torch.stack([places < count for count in counts])  # (S, R, B)
    virtual, pair = taken.flatten(0, 1).nonzero().unbind(1)
    user = virtual * pool.n_users + pool.user[pair]
    n_users = len(counts) * repeats * pool.n_users
    return Preferences(user, pool.chosen[pair], pool.rejected[pair], n_users)


def check_enough(pool: Preferences, counts: list[int]) -> None:
    """Raise a ValueError unless every user has as many pairs as the largest count."""
    for count in counts:
        checks.whole_number("shots", count, at_least=0)
    fewest = int(pool.counts.min())
    if not counts or fewest < max(counts):
        raise ValueError(
            f"a user has {fewest} pairs, but {max(counts, default='no')} shots are asked for; "
            "leave such users out, or ask for fewer shots"
        )


def few_shot_accuracy(
    model: Model,
    responses: Responses,
    pool: Preferences,
    tests: Preferences,
    counts: list[int],
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
    accuracy = [model.accuracy(responses, everybody, some.flatten(0, 1)) for some in personal]
    return torch.stack(accuracy).view(personal.shape[:3]), personal


def repeated(pairs: Preferences, times: int) -> Preferences:
    """The same pairs for so many copies of the users: user u of copy r is r N + u."""
    user = torch.arange(times, device=pairs.user.device)[:, None] * pairs.n_users + pairs.user
    sides = pairs.chosen.repeat(times), pairs.rejected.repeat(times)
    return Preferences(user.flatten(), *sides, times * pairs.n_users)
