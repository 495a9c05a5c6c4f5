"""How many numbers each method trains, as a function of users, features and its sizes.

Shared numbers are paid once; personal ones for every seen user. Each formula is tested against
the number of parameters of a model that was built.

Symbols: N users, d features, K basis rewards or prototypes, h hidden width, z latent width,
p projector width, L projector layers after the first. All are whole numbers, or a ValueError says
which one is not.
"""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

from lore_core.tools import checks


def of_sizes(count: Callable[..., int]) -> Callable[..., int]:
    """The same count; its arguments have to be whole numbers of at least 0."""

    @wraps(count)
    def checked(*args: Any, **kwargs: Any) -> int:
        given = signature(count).bind(*args, **kwargs).arguments
        return count(
            **{name: checks.whole_number(name, n, at_least=0) for name, n in given.items()}
        )

    return checked


@of_sizes
def bradley_terry(d: int) -> int:
    """One direction: d."""
    return d


@of_sizes
def per_user(d: int, n_users: int) -> int:
    """One direction per user: N d."""
    return n_users * d


@of_sizes
def lore(d: int, rank: int, n_users: int) -> int:
    """Basis and logits: d K + N K; at K = 1 the softmax leaves nothing personal to train: d."""
    return d if rank == 1 else d * rank + n_users * rank


@of_sizes
def free_weights(d: int, rank: int, n_users: int) -> int:
    """Basis and weights: d K + N K, at K = 1 too."""
    return d * rank + n_users * rank


@of_sizes
def vpl(d: int, hidden: int, latent: int) -> int:
    """Pair encoder, set encoder and reward network; no number belongs to a user."""
    h, z = hidden, latent
    pair_encoder = (2 * d * h + h) + (h * h + h) + (h * z + z)
    set_encoder = 5 * (z * z + z)  # query, key, value, mean, log-variance
    reward = ((d + z) * h + h) + (h * h + h) + (h + 1)
    return pair_encoder + set_encoder + reward


@of_sizes
def projector(d: int, width: int, layers: int) -> int:
    """d -> p and L times p -> p: d p + p + L (p² + p)."""
    return d * width + width + layers * (width * width + width)


@of_sizes
def pal_a(d: int, rank: int, layers: int, n_users: int) -> int:
    """Prototypes, one projector as wide as the embedding, and user logits."""
    return rank * d + projector(d, d, layers) + n_users * rank


@of_sizes
def pal_b(d: int, rank: int, width: int, layers: int, n_users: int) -> int:
    """A projector for responses, one per prototype for prompts, user logits, one logit scale."""
    return (rank + 1) * projector(d, width, layers) + n_users * rank + 1
