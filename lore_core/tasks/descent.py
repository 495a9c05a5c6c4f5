"""Gradient descent on the items' losses, for whichever numbers are to move."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from lore_core.methods.schedule import Schedule
from lore_core.tasks.pace import Pace
from lore_core.tools import draws
from lore_core.tools.progress import Bar

MOMENTUM = 0.9

Losses = Callable[[Tensor], Tensor]


def descend(
    weights: Sequence[nn.Parameter],
    losses: Losses,
    user: Tensor,
    pace: Pace,
    source: torch.Generator,
    name: str,
    penalty: Callable[[], Tensor] | None = None,
    together: int = 1024,
    after_pass: Callable[[], object] = lambda: None,
) -> list[float]:
    """Train some weights; nothing else moves.

    Args:
        weights: what is trained.
        losses: rows of the n items -> their losses.
        user: (n,) whose each item is.
        pace: how.
        source: where the order of the items comes from.
        name: of the stage, for errors and the progress bar.
        penalty: is added to each step's loss, after the losses were computed.
        together: items that are in memory at once; a step with more adds up their gradients.
        after_pass: is called after each pass.

    Returns:
        The mean loss of each pass, before its steps.

    Raises:
        FloatingPointError: a loss is NaN or infinite; says at which step of which stage.
    """
    n = len(user)
    if n == 0 or pace.passes == 0:
        return []
    for weight in weights:
        weight.requires_grad_(True)
    size = n if pace.batch is None else pace.batch
    steps = pace.passes * math.ceil(n / size)
    optimizer = optimizer_of(pace, weights)
    schedule = Schedule(steps, warmup=min(1.0, pace.warm_up / steps), cosine=True)
    rate = schedule.scheduler(optimizer)
    curve, counts = [], item_weights(user, pace)
    with Bar(name, steps, counts="items") as bar:
        for _ in range(pace.passes):
            total = 0.0
            for rows in batches(n, pace.batch, source):
                where = f"{name}, step {rate.last_epoch + 1}"
                done = step(rows, losses, counts, penalty, where, together)
                total += done
                if pace.clip is not None and pace.batch is not None:
                    torch.nn.utils.clip_grad_norm_(weights, pace.clip)
                optimizer.step()
                optimizer.zero_grad()
                rate.step()
                bar.step(len(rows), loss=done / len(rows))
            curve.append(total / n)
            after_pass()
    for weight in weights:
        weight.requires_grad_(False)
    return curve


def step(
    rows: Tensor,
    losses: Losses,
    counts: Tensor,
    penalty: Callable[[], Tensor] | None,
    where: str,
    together: int,
) -> float:
    """Add the gradient of these items to the weights'; their summed loss."""
    total = 0.0
    for some in rows.split(together):
        found = losses(some)
        total += found.sum().item()
        loss = (found * counts[some]).sum()
        if penalty is not None:
            loss = loss + penalty() * (len(some) / len(rows))
        if not loss.isfinite():
            raise FloatingPointError(
                f"the loss is {loss.item()} at {where}; try a smaller learning_rate"
            )
        loss.backward()
    return total


def item_weights(user: Tensor, pace: Pace) -> Tensor:
    """How much each item counts in a step, (n,): 1 / batch, or 1 / (the user's items + shrink)."""
    if pace.batch is not None:
        return torch.full((len(user),), 1 / min(pace.batch, len(user)))
    return 1 / (user.bincount()[user] + pace.shrink)


def batches(n: int, size: int | None, source: torch.Generator) -> Iterator[Tensor]:
    """All items once, in random order; without a size all at once, in their own order."""
    if size is None:
        yield torch.arange(n)
    else:
        yield from draws.order(source, n).split(size)


def optimizer_of(pace: Pace, weights: Sequence[nn.Parameter]) -> Optimizer:
    """torch's optimiser of a pace."""
    rate, decay = pace.learning_rate, pace.weight_decay
    if pace.optimizer == "adam":
        return AdamW(weights, lr=rate, weight_decay=decay)
    return SGD(weights, lr=rate, momentum=MOMENTUM, weight_decay=decay)
