"""A recipe says how to train. It is data: one driver (`fit.py`) reads it.

`Recipe()` is ours: its ridge was chosen on validation pairs of noise-free users. For noisy ones
choose a stronger one, on validation pairs again.  `PAPER`, `PAPER_REGULARISED` and `PAPER_FEW_SHOT`
are the published training of LoRe (arXiv 2504.14439), step for step.
"""

import math
from dataclasses import dataclass, replace

from lore_core.checks import whole_number


@dataclass(frozen=True)
class Recipe:
    """How a basis, or a new user's weights, are fitted.

    The objective, over users u with their pairs D_u, margin m = r_u(chosen) - r_u(rejected):

        nll                 log(1 + exp(-m / temperature)), averaged as `average` says
        + ridge_basis       · ||V||²
        + ridge_logits      · mean over users of ||l_u||²
        + anchor(step)      · mean over columns of 1 - cos(V_k, reference)
        + prior             · KL(crowd's mean weights || w_u), few-shot only

    Args:
        optimizer: "lbfgs" (V and l together), "adam" (together), "alternating" (in each step Adam
            on l, then on V); few-shot: "newton" or "adam".
        steps: optimiser steps; one L-BFGS step is up to ten iterations.
        learning_rate: of Adam.
        temperature: τ > 0.
        rescale: measure embeddings in units of the pairs' own root-mean-square difference, so that
            ridge and start mean the same for every encoder. The basis comes back in the old units.
        average: "pair" is the mean over all pairs; "user" the sum over users of each one's mean,
            the paper's Eq. 10.
        start: "normal" or "uniform" random logits.
        start_scale: of the basis, which always starts normal.
        ridge_basis, ridge_logits, prior: penalties, at least 0.
        anchor: pull of every column towards a reference direction; 0 for none.
        anchor_warmup: the pull is 0 up to the first share of the steps, full from the second on.
        prune: drop columns whose largest weight over users is below this.
        tolerance: a share of the loss. L-BFGS ends with a step that lowers the objective by less,
            and a validation loss counts as better only if it is lower by more. 0 takes every step.
        patience: with validation pairs, stop after so many steps without a better validation loss
            and go back to the best; None never does.

    Raises:
        ValueError: an option is unknown or a number out of range.
    """

    optimizer: str = "lbfgs"
    steps: int = 40
    learning_rate: float = 0.05
    temperature: float = 1.0
    rescale: bool = True
    average: str = "pair"
    start: str = "normal"
    start_scale: float = 0.1
    ridge_basis: float = 1e-5
    ridge_logits: float = 3e-3
    anchor: float = 0.0
    anchor_warmup: tuple[float, float] = (0.2, 0.8)
    prune: float = 0.0
    prior: float = 0.0
    tolerance: float = 1e-3
    patience: int | None = 2

    def __post_init__(self):
        one_of("optimizer", self.optimizer, ("lbfgs", "adam", "alternating", "newton"))
        one_of("average", self.average, ("pair", "user"))
        one_of("start", self.start, ("normal", "uniform"))
        for name in ("learning_rate", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a number above 0")
        whole_number("steps", self.steps, at_least=0)
        if self.patience is not None:
            whole_number("patience", self.patience, at_least=1)
        if not 0 <= self.anchor_warmup[0] <= self.anchor_warmup[1] <= 1:
            raise ValueError(
                f"anchor_warmup is {self.anchor_warmup}, expected 0 <= from <= to <= 1"
            )
        for name in ("ridge_basis", "ridge_logits", "anchor", "prior", "prune", "tolerance"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 or more")

    def anchor_at(self, step: int) -> float:
        """The anchor's strength at a step: zero, then linear, then full."""
        begin, end = (int(share * self.steps) for share in self.anchor_warmup)
        if step < begin:
            return 0.0
        if step >= end:
            return self.anchor
        return self.anchor * (step - begin) / (end - begin)


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is a known option."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(known)}")


FEW_SHOT = Recipe(optimizer="newton", steps=50, prior=0.3, rescale=False)

PAPER = Recipe(
    optimizer="adam",
    steps=1000,
    learning_rate=0.5,
    temperature=100.0,
    rescale=False,
    average="user",
    start="normal",
    start_scale=1.0,
    ridge_basis=0.0,
    ridge_logits=0.0,
    tolerance=0.0,
    patience=None,
)
PAPER_FEW_SHOT = replace(PAPER, steps=500, learning_rate=0.1)
PAPER_REGULARISED = replace(
    PAPER,
    optimizer="alternating",
    steps=20_000,
    average="pair",
    start="uniform",
    anchor=1e4,
    anchor_warmup=(0.2, 0.8),
    prune=0.01,
)
