"""A ridge logistic regression for every user, on differences of embeddings.

    minimise over v_u    Σ_b log(1 + exp(-x_b · v_u))  +  ridge / 2 · ||v_u - c_u||²

x_b = e(chosen_b) - e(rejected_b). A user's few differences span everything their pairs can say, so
v_u = c_u + Σ_b a_b x_b, and Newton's method runs on the n numbers a instead of the d of v_u.

Shapes: N users, n pairs each, d features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lore_core.newton import minimise
from lore_core.objective import pair_loss
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import checks
from lore_core.tools.progress import Bar
from lore_core.tools.ragged import rectangles

CELLS = 2**14  # differences held at once: bounds the memory
NEAR = 1e-18  # of the loss: directions are asked for to more digits than losses
STEPS = 50  # of Newton's method; a handful is the rule
LOST = 1e-12  # of the largest inner product: a ridge below that has few digits left in float64


def ridge_logistic(
    responses: Responses, pairs: Preferences, centre: Tensor, ridge: float
) -> Tensor:
    """Every user's own direction, (N, d).

    Args:
        responses: what is ranked.
        pairs: pairs of N users; one without pairs gets the centre.
        centre: c, (N, d), where the ridge pulls each of them; or (d,), one for all.
        ridge: λ > 0.

    Raises:
        ValueError: the ridge is too weak for embeddings of this size.
    """
    checks.number("ridge", ridge, above=True)
    pairs.check(responses)
    rows = responses.embeddings
    shape = pairs.n_users, rows.shape[1]
    directions = centre.double().expand(shape).clone()  # the last digits decide when to stop
    with Bar("directions", pairs.n_users, "user") as bar:
        for users, positions, mask in rectangles(pairs.user, pairs.n_users, CELLS):
            gaps = rows[pairs.chosen[positions]].double() - rows[pairs.rejected[positions]].double()
            gaps *= mask[..., None]
            gram = gaps @ gaps.mT
            check_ridge(gaps, gram, ridge)
            start = (gaps @ directions[users][..., None])[..., 0]
            problem = RidgeLogistic(gram=gram, start=start, mask=mask, ridge=ridge)
            coefficients, _ = minimise(problem, torch.zeros_like(problem.start), STEPS, NEAR)
            directions[users] += (coefficients[:, None] @ gaps)[:, 0]
            bar.step(mask.sum(), len(users))
    return directions.to(rows)


@dataclass(frozen=True, eq=False)
class RidgeLogistic:
    """The problem in the coefficients a (N, n) of each user's differences.

    Args:
        gram: (N, n, n) inner products of each user's differences.
        start: (N, n) margins under the directions that users are drawn to.
        mask: (N, n) which pairs exist.
        ridge: λ.
    """

    gram: Tensor
    start: Tensor
    mask: Tensor
    ridge: float

    @property
    def noise(self) -> float:
        """Long embeddings have large inner products, in which the digits of a margin cancel."""
        return 1e-6

    def pull(self, a: Tensor) -> Tensor:
        """What the coefficients add to each margin, (N, n)."""
        return (self.gram @ a[..., None])[..., 0]

    def losses(self, a: Tensor) -> Tensor:
        """Each user's objective, (N,)."""
        pull = self.pull(a)
        fit = pair_loss(self.start + pull) * self.mask
        return fit.sum(1) + self.ridge / 2 * (a * pull).sum(1)

    def direction(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """Newton's direction in a, (N, n), and the decrease that its first order promises, (N,)."""
        margins = self.start + self.pull(a)
        slope = (-margins).sigmoid() * self.mask
        curvature = slope * margins.sigmoid()
        left = slope - self.ridge * a  # the gradient is minus gram times this
        identity = torch.eye(a.shape[1]).to(a)
        step = torch.linalg.solve(curvature[..., None] * self.gram + self.ridge * identity, left)
        return step, (self.pull(step) * left).sum(1).clamp_min(0)

    def longest(self, direction: Tensor) -> Tensor:
        """A whole step: nothing bounds the coefficients."""
        return direction.new_ones(len(direction))

    def move(self, a: Tensor, direction: Tensor, size: Tensor) -> Tensor:
        """a + size · direction."""
        return a + size[:, None] * direction

    def select(self, mask: Tensor) -> RidgeLogistic:
        """The problems of some users."""
        if mask.all():
            return self
        return RidgeLogistic(
            gram=self.gram[mask], start=self.start[mask], mask=self.mask[mask], ridge=self.ridge
        )


def check_ridge(gaps: Tensor, gram: Tensor, ridge: float) -> None:
    """Raise a ValueError if inner products underflow, or the ridge is lost in rounding beside them.

    Args:
        gaps: (N, n, d) each user's differences.
        gram: (N, n, n) their inner products.
        ridge: λ.
    """
    if gaps.any() and not gram.any():
        raise ValueError("embeddings are too small to be squared; multiply them")
    largest = float(gram.diagonal(dim1=-2, dim2=-1).max())
    if not ridge > LOST * largest:
        raise ValueError(
            f"ridge {ridge:g} is too weak for embeddings whose differences have a squared length "
            f"of {largest:.1g}; use a stronger ridge, or divide the embeddings"
        )
