"""A new user from a few pairs: the basis stays as it is, only the K weights are learned.

    minimise over w_u on the simplex
        Σ_b log(1 + exp(-g_b · w_u))  +  prior · KL(c_u || w_u),   g_b = S[chosen_b] - S[rejected_b]

    c_u = Σ_i p_ui w_i,   p_ui ∝ Π_b σ(g_b · w_i)        see `likeness.py`

c_u is the posterior mean of somebody who is like one of the seen users i: each counts by how well
their weights explain the pairs. With `centre="crowd"` all count the same, and c_u is w̄, the seen
users' mean. With few pairs the answer stays near c_u, with many the pairs decide. With prior > 0
the sum is strictly convex in w_u: there is one answer, whatever the start, and a user without pairs
gets w̄.

Shapes: N new users, B pairs, K basis rewards. All work is on the (B, K) table of gaps. On a CPU the
answer is the same bit for bit each time; a GPU adds up in no fixed order.
"""

import torch
from torch import Tensor

from lore_core.initial import initial_logits
from lore_core.likeness import likeness
from lore_core.objective import average, pair_loss
from lore_core.preferences import Preferences, check_world
from lore_core.recipes import FEW_SHOT, FewShot, Recipe
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.scale import sample
from lore_core.scores import pair_margins
from lore_core.simplex_logistic import SimplexLogistic, best_weights, inside
from lore_core.tools import checks, devices
from lore_core.tools.devices import Device
from lore_core.tools.progress import Bar
from lore_core.tools.ragged import rectangles

ASKED = 4096  # seen users whom a new one may be like; of more, these are drawn evenly
TABLE = 2**22  # of likenesses held at once


def fit_weights(
    reward: LowRankReward,
    responses: Responses,
    preferences: Preferences,
    recipe: FewShot = FEW_SHOT,
    init: Tensor | None = None,
    seed: int = 0,
    device: Device = None,
) -> Tensor:
    """Fit the weights of new users with the basis frozen, all users at once.

    Args:
        reward: a fitted reward; its basis stays as it is, its users are those whom a new one is
            held to be like.
        responses: what is ranked.
        preferences: B pairs of N new users. A user without pairs gets the crowd's mean weights.
        recipe: `FEW_SHOT` (Newton's method with a prior), or `FewShot(optimizer="adam")`. Its
            temperature has to be that of the recipe which fitted `reward`: for a reward of `PAPER`
            use `PAPER_FEW_SHOT`, or `replace(FEW_SHOT, temperature=PAPER.temperature)`.
        init: (N, K) logits to start from; default the crowd's mean for Newton, random for Adam.
        seed: of Adam's random start.
        device: where to compute; default a GPU if there is one.

    Returns:
        (N, K) weights, rows sum to one, on the device of `responses`.

    Raises:
        ValueError: an argument is of another kind, shapes do not fit, or scores overflow.

    Source: the few-shot stage of LoRe (arXiv 2504.14439); the prior and its centre are ours.
    """
    check(reward, responses, preferences, recipe)
    checks.whole_number("seed", seed, at_least=0)
    device = devices.pick(device)
    home = responses.embeddings.device
    reward = reward.to(home)
    pairs = preferences.to(home)
    gaps = reward.gaps(responses, pairs) / recipe.temperature
    checks.finite("margins", gaps, f"temperature {recipe.temperature:g} is too small for them")
    crowd = reward.crowd_weights
    shape = pairs.n_users, reward.rank
    if recipe.optimizer == "adam":
        logits = initial_logits(init, shape, seed)
        weights = adam_weights(gaps.to(device), pairs.to(device), logits, recipe)
    else:
        given = crowd if init is None else initial_logits(init, shape, seed).double().softmax(-1)
        start = given.expand(shape)
        weights = newton_weights(gaps.to(device), pairs.to(device), start, reward.weights, recipe)
    checks.finite("weights", weights, "the start or the learning rate is too large")
    return torch.where((pairs.counts > 0)[:, None], weights.to(gaps), crowd)


def newton_weights(
    gaps: Tensor, pairs: Preferences, start: Tensor, seen: Tensor, recipe: FewShot
) -> Tensor:
    """Each user's one best answer; the start only says where the search begins."""
    weights = inside(start.to(gaps.device))
    seen = inside(seen.to(gaps.device))
    centre = seen.mean(0).expand_as(weights)
    if recipe.centre == "posterior":
        centre = posterior_means(gaps, pairs, seen[sample(len(seen), ASKED).to(seen.device)])
    prior = checks.number("prior", recipe.prior) * inside(centre)
    with Bar("weights", pairs.n_users, "user") as bar:
        for users, positions, mask in rectangles(pairs.user, pairs.n_users):
            shots = SimplexLogistic(gaps[positions].double() * mask[..., None], prior[users])
            weights[users] = best_weights(shots, weights[users], recipe.steps)
            bar.step(mask.sum(), len(users))
    return weights


def posterior_means(gaps: Tensor, pairs: Preferences, seen: Tensor) -> Tensor:
    """c_u of each new user, (N, K), from the weights of those who are asked, (N', K)."""
    users = torch.arange(pairs.n_users, device=gaps.device).split(max(1, TABLE // len(seen)))
    mine = (gaps[torch.isin(pairs.user, some)] for some in users)
    return torch.cat(
        [means(*each, seen) for each in zip(mine, map(pairs.of_users, users), strict=True)]
    )


def means(gaps: Tensor, pairs: Preferences, seen: Tensor) -> Tensor:
    """The same for users few enough to look at together."""
    mixed = seen.T.to(gaps)
    return likeness(lambda some: gaps[some] @ mixed, pairs, len(seen)) @ seen


@torch.enable_grad()
def adam_weights(gaps: Tensor, pairs: Preferences, logits: Tensor, recipe: FewShot) -> Tensor:
    """Weights after the recipe's Adam steps on the users' logits: the paper's few-shot fit."""
    logits = logits.detach().to(gaps, copy=True).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=checks.number("learning_rate", recipe.learning_rate))
    with Bar("weights", recipe.steps) as bar:
        for _ in range(recipe.steps):
            margins = pair_margins(gaps, logits.softmax(-1), pairs.user)
            loss = average(pair_loss(margins), pairs, "user")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            bar.step(len(pairs), loss=loss.detach())
    return logits.detach().softmax(-1)


def check(reward: LowRankReward, responses: Responses, pairs: Preferences, recipe: FewShot) -> None:
    """Say what is wrong with the arguments before any work is done."""
    checks.instance_of("reward", reward, LowRankReward)
    check_world(responses, pairs)
    if isinstance(recipe, Recipe):
        raise ValueError(
            "recipe is a Recipe, which fits a basis; for new users' weights use recipes.FEW_SHOT, "
            "recipes.PAPER_FEW_SHOT, or a FewShot of your own"
        )
    checks.instance_of("recipe", recipe, FewShot)
