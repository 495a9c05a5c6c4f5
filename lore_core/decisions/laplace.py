"""The second way to a posterior: Laplace's normal approximation around the answer of `fit_weights`.

`fit_weights` finds each user's most likely weights ŵ. Around them the posterior is taken for a
normal one, as narrow as what `fit_weights` minimises is curved:

    Σ_b log(1 + exp(-g_b · w / τ))  -  prior Σ_k c_k log w_k

The second term is that of a Dirichlet prior with parameters 1 + prior · c. Draws are points of the
simplex, so everything that reads a `Cloud` reads them. Near an edge a posterior is not normal:
there the approximation is rough.

Shapes: N users, n points, b answers, K basis rewards.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.decisions.cloud import Cloud
from lore_core.decisions.posterior import signed_gaps
from lore_core.decisions.simplex_normal import around_best
from lore_core.objective import pair_loss
from lore_core.recipes import FEW_SHOT, FewShot
from lore_core.simplex_logistic import inside
from lore_core.tools import checks, draws


@dataclass(frozen=True, eq=False, kw_only=True)
class Laplace(Cloud):
    """A cloud of draws from the approximation; after each answer it is made anew.

    Args:
        mode: (N, K), the users' most likely weights: what `fit_weights` says.
        answered: (N, b, K) gaps of the pairs answered so far, in the sign of the answers.
        seen: (N', K) weights of the seen users.
        luck: (N, n, K) standard normal draws.
        recipe: prior, centre and steps.
    """

    mode: Tensor
    answered: Tensor
    seen: Tensor
    luck: Tensor
    recipe: FewShot

    def update(
        self, gaps: Tensor, first: Tensor, generator: torch.Generator | None = None
    ) -> Laplace:
        """What is known after one more answer of every user.

        Args:
            gaps: (N, K), of the pair that each user was asked about.
            first: (N,) booleans, whether the first of the two was preferred.
            generator: not needed; it is here so that both ways have the same arguments.

        Raises:
            ValueError: shapes disagree, or a gap is not a number.
        """
        signed = signed_gaps(gaps, first, (self.n_users, self.rank))
        answered = torch.cat([self.answered, signed[:, None]], 1)
        return after(answered, self.seen, self.luck, self.recipe)


def laplace(
    seen: Tensor,
    n_users: int,
    n: int,
    generator: torch.Generator,
    recipe: FewShot = FEW_SHOT,
) -> Laplace:
    """New users who have not been asked, by the prior of `fit_weights`.

    Args:
        seen: (N', K) weights of the seen users.
        n_users: N new users.
        n: draws.
        generator: their source.
        recipe: for Newton's method: its prior, centre and temperature.

    Raises:
        ValueError: weights are off the simplex, the recipe is Adam's, or a number is out of range.
    """
    seen = inside(checks.simplex_rows("seen", seen))
    checks.whole_numbers(1, n_users=n_users, n=n, seen_users=len(seen))
    checks.instance_of("recipe", recipe, FewShot)
    checks.one_of("optimizer of the recipe", recipe.optimizer, ("newton",))
    nothing = torch.zeros(n_users, 0, seen.shape[1], dtype=torch.float64)
    return after(nothing, seen, draws.normal(generator, n_users, n, seen.shape[1]), recipe)


def after(answered: Tensor, seen: Tensor, luck: Tensor, recipe: FewShot) -> Laplace:
    """What is known after these answers."""
    gaps = answered / recipe.temperature
    centre = centres(gaps, seen, recipe)
    prior = checks.number("prior", recipe.prior) * inside(centre)
    found = around_best(gaps, prior, centre, recipe.steps)
    return Laplace(
        particles=found.points(luck),
        log_weights=torch.zeros(luck.shape[:2], dtype=torch.float64),
        temperature=recipe.temperature,
        mode=found.mode,
        answered=answered,
        seen=seen,
        luck=luck,
        recipe=recipe,
    )


def centres(gaps: Tensor, seen: Tensor, recipe: FewShot) -> Tensor:
    """Where each user is drawn to, (N, K): the c of `few_shot.py`."""
    if recipe.centre == "crowd":
        return seen.mean(0).expand(len(gaps), -1)
    return (-pair_loss(gaps @ seen.T).sum(1)).softmax(-1) @ seen
