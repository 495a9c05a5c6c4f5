"""Which pair to ask a new user next: policies, all with the same arguments.

    policy(cloud, gaps, generator) -> (N,)        for each user the place of a pair among the Q

A user's answer has two kinds of doubt in it: we do not know their weights, and with known weights
they may still answer either way. Only the first kind can be asked away.

    information    H(Σ_i p_i σ_i)  -  Σ_i p_i H(σ_i)        σ_i = σ(g · w_i / τ)

is the doubt in the answer minus what would stay if the weights were known: the mutual information
of answer and weights, in nats. A pair of equals has much of the second kind and none of the first.

Shapes: N users, n particles, Q pairs, K basis rewards.

Sources: information, Houlsby et al. (2011, arXiv 1112.5745), there called BALD, and Lindley (1956);
optimal, as active questions are chosen in PReF (arXiv 2503.06358): the pair in which the covariance
leaves most doubt; gradient, the knowledge gradient of Frazier et al. (2008).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lore_core.decisions.cloud import Cloud, entropy
from lore_core.tools import checks, draws

Policy = Callable[[Cloud, Tensor, torch.Generator], Tensor]


def random(cloud: Cloud, gaps: Tensor, generator: torch.Generator) -> Tensor:
    """Any pair, (N,)."""
    n_pairs = len(check(cloud, gaps))
    return (draws.uniform(generator, cloud.n_users) * n_pairs).long()


def uncertain(cloud: Cloud, gaps: Tensor, generator: torch.Generator) -> Tensor:
    """The pair whose answer is most in doubt, of either kind, (N,)."""
    checks.instance_of("cloud", cloud, Cloud)
    return entropy(cloud.preferred(gaps)).argmax(-1)


def information(cloud: Cloud, gaps: Tensor, generator: torch.Generator) -> Tensor:
    """The pair whose answer says most about the user's weights, (N,)."""
    return gain(cloud, gaps).argmax(-1)


def optimal(cloud: Cloud, gaps: Tensor, generator: torch.Generator) -> Tensor:
    """The pair whose margin is most in doubt: the largest variance of g · w, (N,).

    As if answers were margins with even noise, for which it is D-optimal.
    """
    gaps = check(cloud, gaps).double()
    return ((gaps @ cloud.covariance) * gaps).sum(-1).argmax(-1)


def gradient(pairs: Tensor) -> Policy:
    """The policy that asks what will rank most of some pairs right, after the answer.

    Args:
        pairs: (T, K) gaps of the pairs that shall be ranked.
    """
    pairs = checks.float_matrix("pairs", pairs)

    def choose(cloud: Cloud, gaps: Tensor, generator: torch.Generator) -> Tensor:
        gaps, tests = check(cloud, gaps), cloud.check_pool(pairs)
        users = range(cloud.n_users)
        return torch.stack([ranked_right(cloud, user, gaps, tests).argmax() for user in users])

    return choose


POLICIES: dict[str, Policy] = {
    "random": random,
    "uncertain": uncertain,
    "information": information,
    "optimal": optimal,
}


def gain(cloud: Cloud, gaps: Tensor) -> Tensor:
    """The information in the answer to each pair, (N, Q) in nats; never below 0.

    Args:
        cloud: what is known.
        gaps: (Q, K).

    Raises:
        ValueError: there are no pairs, they are of another rank, or one is not a number.
    """
    checks.instance_of("cloud", cloud, Cloud)
    return (entropy(cloud.preferred(gaps)) - cloud.noise(gaps)).clamp_min(0)


def ranked_right(cloud: Cloud, user: int, gaps: Tensor, tests: Tensor) -> Tensor:
    """The share of tests that a user's cloud is expected to rank right after each answer, (Q,).

    A test is ranked as most of the cloud ranks it, and is right with that share.

    Args:
        user: whose cloud.
        gaps: (Q, K) pairs to ask about.
        tests: (T, K) pairs to rank.
    """
    counts = cloud.weights[user].to(gaps)
    first = (
        cloud.margins(user, gaps / cloud.temperature).sigmoid() * counts[:, None]
    ).T  # (Q, n): answer and point
    ahead = (cloud.margins(user, tests.to(gaps)) > 0).to(gaps)  # (n, T): the first is better
    told, said = first @ ahead, first.sum(1, keepdim=True)  # if the first is preferred
    untold = counts @ ahead - told  # if the second is
    right = torch.maximum(told, said - told) + torch.maximum(untold, 1 - said - untold)
    return right.mean(1)


def check(cloud: Cloud, gaps: Tensor) -> Tensor:
    """The gaps of a pool that is not empty.

    Raises:
        ValueError: there are no pairs, they are of another rank, or one is not a number.
    """
    checks.instance_of("cloud", cloud, Cloud)
    return cloud.check_pool(gaps)
