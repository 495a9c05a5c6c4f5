"""A new user from a few pairs: the basis stays as it is, only the K weights are learned.

    minimise over w_u on the simplex
        Σ_b log(1 + exp(-g_b · w_u))  +  prior · KL(w̄ || w_u),   g_b = S[chosen_b] - S[rejected_b]

w̄ is the seen users' mean weights. With prior > 0 the sum is strictly convex in w_u: there is one
answer, whatever the start, and a user without pairs gets w̄ itself.

Shapes: N new users, B pairs, K basis rewards. All work is on the (B, K) table of gaps.
"""

import torch
from torch import Tensor

from lore_core import devices
from lore_core.checks import float_matrix
from lore_core.objective import average, pair_loss
from lore_core.preferences import Preferences, Responses
from lore_core.recipes import FEW_SHOT, Recipe
from lore_core.reward import LowRankReward, pair_margins, score_gaps


def fit_weights(
    reward: LowRankReward,
    responses: Responses,
    preferences: Preferences,
    recipe: Recipe = FEW_SHOT,
    init: Tensor | None = None,
    seed: int = 0,
    device=None,
) -> Tensor:
    """Fit the weights of new users with the basis frozen, all users at once.

    Args:
        reward: a fitted reward; its basis stays as it is, its users' mean weights are the prior's.
        responses: what is ranked.
        preferences: B pairs of N new users. A user without pairs gets the crowd's mean weights.
        recipe: `FEW_SHOT` (Newton's method with a prior), or one with optimizer "adam".
        init: (N, K) logits to start from; default the crowd's mean for Newton, random for Adam.
        seed: of the random start.
        device: where to compute; default a GPU if there is one.

    Returns:
        (N, K) weights, rows sum to one, on the device of `responses`.

    Raises:
        ValueError: shapes do not fit, or the recipe cannot fit weights.

    Source: the few-shot stage of LoRe (arXiv 2504.14439); the prior is ours.
    """
    preferences.check(responses)
    check(reward, preferences, recipe, init)
    device = devices.pick(device)
    gaps = score_gaps(reward.basis_scores(responses.embeddings), preferences) / recipe.temperature
    crowd, pairs, n_users = (
        reward.crowd_weights.to(gaps),
        preferences.to(device),
        preferences.n_users,
    )
    if recipe.optimizer == "adam":
        start = random_logits(n_users, crowd, seed) if init is None else init
        weights = adam(gaps.to(device), pairs, start.to(device, gaps.dtype), recipe)
    else:
        start = crowd.expand(n_users, -1) if init is None else init.softmax(-1)
        weights = newton(gaps.to(device), pairs, start.to(device), crowd.to(device), recipe)
    return torch.where((preferences.counts > 0)[:, None], weights.to(gaps), crowd)


def adam(gaps: Tensor, pairs: Preferences, logits: Tensor, recipe: Recipe) -> Tensor:
    """Weights after the recipe's Adam steps on the users' logits: the paper's few-shot fit."""
    logits = logits.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=recipe.learning_rate)
    for _ in range(recipe.steps):
        margins = pair_margins(gaps, logits.softmax(-1), pairs.user)
        loss = average(pair_loss(margins), pairs, recipe.average)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return logits.detach().softmax(-1)


def newton(
    gaps: Tensor, pairs: Preferences, start: Tensor, crowd: Tensor, recipe: Recipe
) -> Tensor:
    """Minimise every user's convex objective by damped Newton steps that keep the weights' sum."""
    gaps, weights, prior = gaps.double(), inside(start), recipe.prior * inside(crowd)

    def losses(weights):
        fit = per_user(pair_loss(pair_margins(gaps, weights, pairs.user)), pairs)
        return fit - (prior * weights.log()).sum(-1)

    for _ in range(recipe.steps):
        gradient, hessian = derivatives(gaps, pairs, weights, prior)
        direction = simplex_direction(gradient, hessian)
        decrement = -(gradient * direction).sum(-1)
        if decrement.max() < 1e-12:
            break
        weights = line_search(losses, weights, direction, decrement)
    return weights / weights.sum(-1, keepdim=True)


def derivatives(
    gaps: Tensor, pairs: Preferences, weights: Tensor, prior: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradient (N, K) and Hessian (N, K, K) of each user's objective; one column at a time."""
    margins = pair_margins(gaps, weights, pairs.user)
    slope, bend = -(-margins).sigmoid(), margins.sigmoid() * (-margins).sigmoid()
    gradient = per_user(slope[:, None] * gaps, pairs) - prior / weights
    columns = [per_user((bend * column)[:, None] * gaps, pairs) for column in gaps.T]
    return gradient, torch.stack(columns, 1) + torch.diag_embed(prior / weights.square())


def simplex_direction(gradient: Tensor, hessian: Tensor) -> Tensor:
    """Newton's direction among those whose entries sum to zero, (N, K)."""
    ones = torch.ones_like(gradient)
    solved = torch.linalg.solve(hessian, torch.stack([gradient, ones], -1))
    by_gradient, by_ones = solved.unbind(-1)
    return by_ones * (by_gradient.sum(-1) / by_ones.sum(-1))[:, None] - by_gradient


def line_search(losses, weights: Tensor, direction: Tensor, decrement: Tensor) -> Tensor:
    """Step along `direction`, inside the simplex, halved per user until the loss falls enough."""
    room = torch.where(direction < 0, -weights / direction, torch.inf).amin(-1)
    size, before = (0.99 * room).clamp_max(1.0), losses(weights)
    for _ in range(30):
        after = losses(weights + size[:, None] * direction)
        too_far = after > before - 0.25 * size * decrement + 1e-12
        if not too_far.any():
            break
        size = torch.where(too_far, size / 2, size)
    return weights + size[:, None] * direction


def inside(weights: Tensor) -> Tensor:
    """Weights in float64, moved off the simplex's edge, where the logarithm ends."""
    weights = weights.double().clamp_min(1e-9)
    return weights / weights.sum(-1, keepdim=True)


def per_user(values: Tensor, pairs: Preferences) -> Tensor:
    """Sum rows (B, ...) by user, (N, ...)."""
    return values.new_zeros(pairs.n_users, *values.shape[1:]).index_add(0, pairs.user, values)


def random_logits(n_users: int, like: Tensor, seed: int) -> Tensor:
    """Normal logits (N, K), drawn in float64 from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_users, len(like), dtype=torch.float64, generator=generator).to(like)


def check(reward: LowRankReward, pairs: Preferences, recipe: Recipe, init: Tensor | None) -> None:
    """Say what is wrong with the arguments before any work is done."""
    if recipe.optimizer not in ("newton", "adam"):
        raise ValueError(
            f"optimizer {recipe.optimizer!r} cannot fit weights; use recipes.FEW_SHOT, "
            "recipes.PAPER_FEW_SHOT, or a recipe with optimizer 'newton' or 'adam'"
        )
    if recipe.optimizer == "newton" and not recipe.prior > 0:
        raise ValueError(f"Newton's method needs a prior above 0, got {recipe.prior}")
    if init is not None and float_matrix("init", init).shape != (pairs.n_users, reward.rank):
        raise ValueError(
            f"init has shape {tuple(init.shape)}, expected logits {(pairs.n_users, reward.rank)}"
        )
