"""`fit_basis` on several processes: the same start, steps and stopping, so the same answer.

Shapes: M responses, d features, K basis rewards, N users, B pairs.
"""

from __future__ import annotations

import time
from contextlib import nullcontext

import torch
from torch import Tensor

from lore_core import fit
from lore_core.descent import Keeper, best_descent
from lore_core.distributed.objective import SharedObjective
from lore_core.distributed.processes import Processes
from lore_core.distributed.sharding import of_shard, shards
from lore_core.fit import Fit, finish, looked_at, outcome
from lore_core.initial import initial_values
from lore_core.objective import Objective
from lore_core.prepared import Learnable
from lore_core.recipes import Recipe
from lore_core.reference import unit_column
from lore_core.responses import Responses
from lore_core.scale import training_unit
from lore_core.tools import checks, progress


def fit_together(
    responses: Responses,
    preferences: Learnable,
    rank: int,
    recipe: Recipe,
    seed: int,
    processes: Processes,
    device: torch.device,
    keeper: Keeper | None = None,
    *,
    validation: Learnable | None = None,
    reference: Tensor | None = None,
) -> Fit | None:
    """Fit the shared basis V and every seen user's weights jointly. Every process has to call it.

    Args:
        responses, preferences, rank, recipe, seed, validation, reference: as of `fit_basis`, the
            same on every process.
        processes: that share the users.
        device: of this process.
        keeper: of checkpoints.

    Returns:
        On the first process what `fit_basis` returns, on the others None.

    Raises:
        ValueError: as `fit_basis`, or there are more processes than users.
        RuntimeError: a process was lost.
    """
    began = time.perf_counter()
    reference = None if reference is None else unit_column(reference)
    check(responses, preferences, rank, recipe, seed, processes, validation, reference)
    cut = shards(preferences.counts, processes.count)
    mine = cut[processes.rank]
    scale = processes.first(training_unit(responses, preferences, recipe))
    shapes = (responses.embeddings.shape[1], rank), (preferences.n_users, rank)
    basis, logits = initial_values(None, *shapes, recipe, scale, seed)

    def objective(pairs: Learnable) -> Objective:
        own = of_shard(pairs, mine)
        return SharedObjective.of(responses, own, recipe, scale, reference, processes).to(device)

    train = objective(preferences)
    validation = looked_at(validation, recipe)
    held_out = None if validation is None else objective(validation)
    with nullcontext() if processes.rank == 0 else progress.silent():
        found = best_descent(
            train,
            held_out,
            (basis * scale).to(train.embeddings),
            logits[mine].to(train.embeddings),
            keeper,
        )
    lengths = [shard.stop - shard.start for shard in cut]
    logits = processes.joined(found.parameters.logits.detach(), lengths)
    if processes.rank > 0:
        return None
    basis = found.parameters.basis.detach() / scale
    reward = finish(basis, logits, preferences.counts.to(device), recipe)
    return outcome(found, reward.to("cpu"), began)


def check(
    responses: Responses,
    preferences: Learnable,
    rank: int,
    recipe: Recipe,
    seed: int,
    processes: Processes,
    validation: Learnable | None = None,
    reference: Tensor | None = None,
) -> None:
    """Say what is wrong with the arguments of `fit_together` before any work is done."""
    fit.check(responses, preferences, rank, recipe, validation, reference)
    checks.whole_number("seed", seed, at_least=0)
    shards(preferences.counts, processes.count)
