"""The two stages: each adds its part at every place, trains it, and leaves the rest alone.

    stage 1  φ_c shared, trained on all users' items              base frozen
    stage 2  φ_u per user: x → φ_u(φ_c(x)), one start for all     base and φ_c frozen

Shapes: N users, r rank, d features of a state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from lore_core.perfit import start as starts
from lore_core.perfit.intervention import Intervention, Interventions
from lore_core.perfit.moved import mean_shifts
from lore_core.perfit.recipe import Stage
from lore_core.perfit.shifted import Shifted, device_of
from lore_core.tasks.descent import descend
from lore_core.tasks.items import Items, Labelled
from lore_core.tools import draws


def shared(shifted: Shifted, items: Items, stage: Stage, source: torch.Generator) -> None:
    """Stage 1: one φ_c for everybody."""
    first = starts_of(shifted, items, stage.rank, shifted.recipe.start, source)
    parts = {name: Intervention(rows).to(device_of(shifted.net)) for name, rows in first.items()}
    for name, part in parts.items():
        shifted.nudges[name].shared = part
        part.units = shifted.units.get(name)
    with shifted.losses(items) as losses:
        shifted.curves["shared"] = descend(
            weights_of(parts.values()),
            losses,
            items.user,
            stage,
            source,
            "shared",
            together=items.together,
        )
    for part in parts.values():
        part.settle()


def personal(shifted: Shifted, items: Items, stage: Stage, source: torch.Generator) -> None:
    """Stage 2: φ_u of each user; with the start "shared" it is trained twice."""
    start = shifted.recipe.user_start
    first = "random" if start == "shared" else start
    shifted.starts = starts_of(shifted, items, stage.rank, first, source)
    seed = int(draws.order(source, 2**16)[0])
    users(shifted, items, stage, seed)
    if start == "shared":
        there = items.user.unique()
        shifted.starts = {
            name: starts.from_shared(shifts[there], stage.rank)
            for name, shifts in mean_shifts(shifted, items).items()
        }
        users(shifted, items, stage, seed)


def users(shifted: Shifted, items: Items, stage: Stage, seed: int) -> None:
    """φ_u of each user from their own items; who has none keeps the identity, to the last bit.

    Without a batch all users are trained together, which is the same and quicker; with one, they
    are trained one by one. So what a user learns does not depend on who else is there.
    """
    device, there = device_of(shifted.net), items.user.unique()
    whole = {name: Interventions(items.n_users, rows) for name, rows in shifted.starts.items()}
    curve = torch.zeros(stage.passes, dtype=torch.float64)
    together = max(1, len(there)) if stage.batch is None else 1
    for some in there.split(together) if len(there) else ():
        parts = {name: Interventions(len(some), rows) for name, rows in shifted.starts.items()}
        for name, part in parts.items():
            shifted.nudges[name].personal = part.to(device)
            part.units = shifted.units.get(name)
        own = items.select(torch.isin(items.user, some))
        losses = train(shifted, own, some, stage, weights_of(parts.values()), seed)
        curve += torch.tensor(losses, dtype=torch.float64) * len(own) / len(items)
        for name, part in parts.items():
            part.settle()
            put(part, whole[name], some)
    for name, stack in whole.items():
        shifted.nudges[name].personal = stack.to(device).requires_grad_(False)
    shifted.curves["personal"] = curve.tolist()


def train(
    shifted: Shifted,
    items: Items,
    some: Tensor,
    stage: Stage,
    weights: Sequence[nn.Parameter],
    seed: int,
) -> list[float]:
    """Descend on the items of some users, who are rows of the stacks in their order."""
    order = torch.zeros(items.n_users, dtype=torch.long)
    order[some] = torch.arange(len(some))
    source = draws.generator(seed)
    with shifted.losses(items, order) as losses:
        return descend(
            weights, losses, items.user, stage, source, "personal", together=items.together
        )


def put(part: Interventions, whole: Interventions, some: Tensor) -> None:
    """What some users have learned, as rows of the stack of all."""
    for one, other in zip(part.parameters(), whole.parameters(), strict=True):
        other.data[some] = one.data.cpu()


def weights_of(parts: Iterable[nn.Module]) -> list[nn.Parameter]:
    """The weights of some parts."""
    return [weight for part in parts for weight in part.parameters()]


def starts_of(
    shifted: Shifted, items: Items, r: int, start: str, source: torch.Generator
) -> dict[str, Tensor]:
    """Where R starts at each place, (r, d)."""
    if start == "labels":
        return {name: starts.labels(shifted.net, r, source) for name in shifted.nudges}
    d = width(shifted.net, items)
    return {name: starts.random(source, r, d) for name in shifted.nudges}


def width(net: nn.Module, items: Items) -> int:
    """Numbers of a state."""
    config = getattr(net, "config", None)
    if config is not None:
        return int(config.get_text_config().hidden_size)
    if isinstance(items, Labelled):
        return items.inputs.shape[1]
    raise ValueError(f"{type(net).__name__} reads texts and has no config; give a decoder")
