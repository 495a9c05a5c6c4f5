"""Who belongs to which expert, by how likely each expert makes the user's own items.

Shapes: n items, N users, M experts, p features.
"""

from __future__ import annotations

import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor
from torch.nn.functional import one_hot, pad

from lore_core.proper import mixture
from lore_core.proper.informed import user_wish, without
from lore_core.proper.mixture import Moments
from lore_core.proper.tuned import Tuned, keeping
from lore_core.tasks.items import Items
from lore_core.tools import checks, draws
from lore_core.tools.ragged import rows_of

FEATURES = 30  # principal components that the first grouping reads
RIDGE = 3.0  # its pull towards 0, in items
CERTAIN = 1e-4  # a logarithm of a share needs a smallest share


def first(tuned: Tuned, items: Items, source: torch.Generator, given: Tensor | None) -> Tensor:
    """The shares (N, M) with which the experts' training starts, as the recipe's `routes` says.

    Raises:
        ValueError: routes are "given", and none are.
    """
    n, m = items.n_users, tuned.recipe.n_experts
    if tuned.recipe.routes in ("uniform", "given"):
        return without_a_look(tuned.recipe.routes, n, m, given)
    y = tuned.residual(items)
    if y is None:
        return by_what_they_read(tuned, items, source)
    x = features(next(iter(tuned.inputs(items).values())))
    if tuned.recipe.routes == "hard":
        return one_hot(clustered(x, y, items, m, source), m).float()
    moments = Moments.of(x, y, items.user, n)
    return mixture.fit(moments, m, RIDGE, source).posterior(moments).float()


def of(tuned: Tuned, items: Items, prior: Tensor) -> Tensor:
    """Each user's posterior over the experts, (N, M): prior times likelihood of the user's items.

    Args:
        tuned: with experts.
        items: of N users; a user without items gets the prior.
        prior: (M,).
    """
    return (prior.clamp(min=CERTAIN).log() - user_losses(tuned, items)).softmax(1)


def of_new(tuned: Tuned, items: Items, given: Tensor | None = None) -> Tensor:
    """The shares of new users, (N, M), as the recipe's `routes` says."""
    n, m = items.n_users, tuned.recipe.n_experts
    if tuned.recipe.routes in ("uniform", "given"):
        return without_a_look(tuned.recipe.routes, n, m, given)
    shares = of(tuned, items, mean_share(tuned) if tuned.prior is None else tuned.prior)
    return one_hot(shares.argmax(1), m).float() if tuned.recipe.routes == "hard" else shares


def mean_share(tuned: Tuned) -> Tensor:
    """The users' mean share in each expert, (M,); even where no shares are fixed."""
    m = tuned.recipe.n_experts
    return torch.full((m,), 1 / m) if tuned.shares is None else tuned.shares.mean(0)


def without_a_look(routes: str, n: int, m: int, given: Tensor | None) -> Tensor:
    """Shares (N, M) that do not depend on what users said.

    Raises:
        ValueError: they are to be given, and are not.
    """
    if routes == "uniform":
        return torch.full((n, m), 1 / m)
    if given is None:
        raise ValueError('routes are "given": give every user\'s group')
    group = checks.index_vector("group", given)
    checks.below("group", group, m)
    return one_hot(group, m).float()


def user_losses(tuned: Tuned, items: Items) -> Tensor:
    """Summed loss of each user's items if the user had one expert alone, (N, M)."""
    n, m = items.n_users, tuned.recipe.n_experts
    found = torch.zeros(n, m)
    before = {name: layer.router for name, layer in tuned.layers.items()}
    with keeping(tuned, items):
        for expert in range(m):
            tuned.route(one_hot(torch.full((n,), expert), m).float())
            found[:, expert].index_add_(0, items.user, tuned.all_losses(items))
    for name, layer in tuned.layers.items():
        layer.router = before[name]
    return found


def features(inputs: Tensor) -> Tensor:
    """What the first grouping reads: principal components of what a layer reads, and a constant."""
    centre = inputs.mean(0)
    centred = without(inputs - centre, centre)
    u, s, _ = torch.linalg.svd(centred, full_matrices=False)
    scores = (u * s)[:, :FEATURES]
    return pad(scores / scores.square().sum(1).mean().sqrt(), (0, 1), value=1.0)


def clustered(x: Tensor, y: Tensor, items: Items, n_groups: int, source: torch.Generator) -> Tensor:
    """k-means groups of the users' ridge regressions, (N,)."""
    wishes = torch.stack(
        [user_wish(x[rows], y[rows]).flatten() for rows in rows_of(items.user, items.n_users)]
    )
    return nearest(wishes, n_groups, source)


def nearest(points: Tensor, n_groups: int, source: torch.Generator) -> Tensor:
    """k-means groups of points (N, p): (N,)."""
    rng = draws.numpy_generator(source)
    _, group = kmeans2(points.double().numpy(), n_groups, iter=50, minit="++", rng=rng)
    return torch.tensor(group).long()


def by_what_they_read(tuned: Tuned, items: Items, source: torch.Generator) -> Tensor:
    """A first grouping without residuals: k-means of the users' mean inputs, one-hot (N, M).

    The layer in the middle is asked: the first ones know words, the last ones the next token.
    """
    m, names = tuned.recipe.n_experts, list(tuned.layers)
    if items.n_users < m:
        raise ValueError(f"{items.n_users} users for {m} groups; take a smaller n_experts")
    middle = names[len(names) // 2]
    means = user_means(tuned.inputs(items, middle)[middle], items)
    return one_hot(nearest(means, m, source), m).float()


def user_means(inputs: Tensor, items: Items) -> Tensor:
    """Mean of what a layer reads of each user's items, less the mean over all, (N, i)."""
    centred = inputs - inputs.mean(0)
    total = inputs.new_zeros(items.n_users, inputs.shape[1]).index_add_(0, items.user, centred)
    count = items.user.bincount(minlength=items.n_users).clamp(min=1)
    return total / count[:, None]


@torch.no_grad()
def rerouting(tuned: Tuned, items: Items) -> dict[str, Tensor]:
    """Of each layer the W_l (M, o) whose routes come nearest to stage 2's, by least squares."""
    inputs, found = tuned.inputs(items), {}
    for name, layer in tuned.layers.items():
        if layer.personal is None or layer.router is None:
            raise ValueError(f"{name} has no router or no users yet; train stages 2 and 3.1 first")
        x = inputs[name].to(layer.base.weight.device)
        q = layer.personal.one(x, items.user)
        wanted = layer.router(x, q, items.user).clamp(min=CERTAIN).log()
        found[name] = torch.linalg.lstsq(q, wanted - wanted.mean(1, keepdim=True)).solution.T
    return found
