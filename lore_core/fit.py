"""Learning the basis: one driver that reads a `Recipe`.

Shapes: M responses, d features, K basis rewards, N users, B pairs.
"""

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lore_core.descent import Descent, best_descent
from lore_core.initial import initial_values
from lore_core.objective import Objective
from lore_core.preferences import check_training
from lore_core.prepared import Learnable, check_learnable
from lore_core.recipes import FewShot, Recipe
from lore_core.reference import unit_column
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.scale import training_unit
from lore_core.scores import logits_of
from lore_core.tools import checks, devices
from lore_core.tools.devices import Device


@dataclass(frozen=True, eq=False)
class Fit:
    """What a training run leaves.

    Args:
        reward: the fitted reward, on the device of the responses.
        losses: the objective before each step, and last of all at the parameters returned.
        seconds: wall-clock time, of all ridges that were tried.
        ridge_basis: the recipe's ridge, or the one that validation pairs chose; `losses` and
            `validation` are of that run.
        validation: the validation loss after each step, as early stopping saw it.
    """

    reward: LowRankReward
    losses: list[float]
    seconds: float
    ridge_basis: float
    validation: list[float] = field(default_factory=list)


def fit_basis(
    responses: Responses,
    preferences: Learnable,
    rank: int,
    recipe: Recipe | None = None,
    init: tuple[Tensor, Tensor] | None = None,
    seed: int = 0,
    device: Device = None,
    *,
    validation: Learnable | None = None,
    reference: Tensor | None = None,
) -> Fit:
    """Fit the shared basis V and every seen user's weights jointly.

    Args:
        responses: what is ranked.
        preferences: B pairs of N seen users. A user without pairs gets the crowd's mean weights.
            Pairs that do not fit in memory: `distributed.stored.stored_pairs`.
        rank: K >= 1. K = 1 is the Bradley–Terry model pooled over users.
        recipe: how to train; default `Recipe()`.
        init: (basis (d, K), logits (N, K)) to start from; default random.
        seed: of the random start.
        device: where to compute; default a GPU if there is one.
        validation: pairs of the same users, used only to stop early, and to choose among
            the recipe's ridges.
        reference: (d,) direction, for a recipe with an anchor.

    Returns:
        A `Fit`; its reward lives on the device of `responses`.

    Raises:
        ValueError: rank < 1, no pairs, shapes that do not fit, or a loss that is not finite.
        RuntimeError: a GPU was asked for and there is none.

    Source: LoRe (arXiv 2504.14439), Eq. 10, with a basis that is linear in the embedding.
    """
    began = time.perf_counter()
    recipe = Recipe() if recipe is None else recipe
    device = devices.pick(device)
    if reference is not None:
        reference = unit_column(reference)
    check(responses, preferences, rank, recipe, validation, reference)
    checks.whole_number("seed", seed, at_least=0)
    scale = training_unit(responses, preferences, recipe)
    shapes = (responses.embeddings.shape[1], rank), (preferences.n_users, rank)
    basis, logits = initial_values(init, *shapes, recipe, scale, seed)
    objective = Objective.on(responses, preferences, recipe, scale, reference).to(device)
    held_out = held_out_objective(responses, validation, recipe, scale)
    kind = objective.embeddings
    found = best_descent(
        objective, held_out and held_out.to(device), (basis * scale).to(kind), logits.to(kind)
    )
    basis, logits = found.parameters.basis.detach() / scale, found.parameters.logits.detach()
    reward = finish(basis, logits, preferences.counts.to(device), recipe)
    return outcome(found, reward.to(responses.embeddings.device), began)


def outcome(found: Descent, reward: LowRankReward, began: float) -> Fit:
    """What a run leaves that came to this reward, and began at this time."""
    return Fit(
        reward=reward,
        losses=found.losses,
        seconds=time.perf_counter() - began,
        ridge_basis=found.ridge_basis,
        validation=found.validation,
    )


def held_out_objective(
    responses: Responses,
    validation: Learnable | None,
    recipe: Recipe,
    scale: float,
    kind: type[Objective] = Objective,
) -> Objective | None:
    """The objective on validation pairs, if there are any and the recipe looks at them."""
    validation = looked_at(validation, recipe)
    return None if validation is None else kind.on(responses, validation, recipe, scale)


def looked_at(validation: Learnable | None, recipe: Recipe) -> Learnable | None:
    """Validation pairs, if there are any and the recipe looks at them."""
    if validation is None or len(validation) == 0 or recipe.patience is None:
        return None
    return validation


def finish(basis: Tensor, logits: Tensor, counts: Tensor, recipe: Recipe) -> LowRankReward:
    """Drop unused columns, and give users without pairs the crowd's mean weights.

    The published code leaves the weights of a pruned fit summing to less than one; here they are
    the softmax over the columns that stay.
    """
    used = logits[counts > 0].softmax(-1).amax(0) >= recipe.prune
    if not used.any():
        raise ValueError(f"prune = {recipe.prune} drops every column; use a smaller threshold")
    basis, logits = basis[:, used].detach(), logits[:, used].detach()
    crowd = logits[counts > 0].softmax(-1).mean(0, keepdim=True)
    return LowRankReward(basis, torch.where((counts > 0)[:, None], logits, logits_of(crowd)))


def check(
    responses: Responses,
    pairs: Learnable,
    rank: int,
    recipe: Recipe,
    validation: Learnable | None,
    reference: Tensor | None,
) -> None:
    """Say what is wrong with the arguments before any work is done."""
    if rank == 0:
        raise ValueError(
            "rank is 0, expected at least 1; for a fixed reference ('K = 0') use "
            "LowRankReward.fixed(direction, n_users)"
        )
    checks.whole_number("rank", rank, at_least=1)
    if isinstance(recipe, FewShot):
        raise ValueError(
            "recipe is a FewShot, which fits new users' weights only; use fit_weights, or a Recipe"
        )
    checks.instance_of("recipe", recipe, Recipe)
    check_training(responses, pairs, validation, check_learnable)
    if recipe.anchor > 0 and reference is None:
        raise ValueError("this recipe has an anchor; pass reference=, a direction of shape (d,)")
    if reference is not None and reference.numel() != responses.embeddings.shape[1]:
        raise ValueError(
            f"reference has {reference.numel()} numbers, expected one for each of the "
            f"{responses.embeddings.shape[1]} features"
        )
