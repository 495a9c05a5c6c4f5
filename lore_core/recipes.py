"""A recipe says how to train. It is data: one driver reads it.

`Recipe` is for many users and a basis (`fit.py`), `FewShot` for new users on a basis that stays as
it is (`few_shot.py`). An option that the optimiser does not have is refused, not ignored.

`Recipe()` is ours. Validation pairs choose its ridge: users who answer without noise need a weak
one, noisy users and small crowds a stronger one. Without validation pairs it has the weakest.
`PAPER`, `PAPER_REGULARISED` and `PAPER_FEW_SHOT` are the published training of LoRe (arXiv
2504.14439), step for step.
"""

from dataclasses import dataclass, replace

from lore_core.tools.checks import flag, number, one_of, rising, set_field, two, whole_number


@dataclass(frozen=True)
class Recipe:
    """How a basis and the seen users' weights are fitted.

    The objective, over users u with their pairs D_u, margin m = r_u(chosen) - r_u(rejected):

        nll                 log(1 + exp(-m / temperature)), averaged as `average` says
        + ridge_basis       · ||V||²
        + ridge_logits      · mean over users of ||l_u||²
        + anchor(step)      · mean over columns of 1 - cos(V_k, reference)

    Args:
        optimizer: "lbfgs" (V and l together), "adam" (together), "alternating" (in each step Adam
            on l, then on V).
        steps: optimiser steps; one L-BFGS step is up to ten iterations.
        learning_rate: of Adam, 0.05 if not given. L-BFGS has none.
        temperature: τ > 0.
        rescale: measure embeddings in units of the pairs' own root-mean-square difference, so that
            ridge and start mean the same for every encoder. The basis comes back in the old units.
        average: "pair" is the mean over all pairs; "user" the sum over users of each one's mean,
            the paper's Eq. 10.
        start: "normal" or "uniform" random logits.
        start_scale: of the basis, which always starts normal.
        ridge_basis, ridge_logits: penalties, at least 0. Of several ridge_basis, from weak to
            strong, validation pairs choose: a stronger one is tried as long as the validation loss
            gets better. Without validation pairs, or without patience, the first one counts.
        anchor: pull of every column towards a reference direction; 0 for none.
        anchor_warmup: the pull is 0 up to the first share of the steps, full from the second on.
        prune: drop columns whose largest weight over users is below this.
        tolerance: a share of the loss. L-BFGS ends with a step that lowers the objective by less,
            and a validation loss counts as better only if it is lower by more, be it of the next
            step or of the next ridge. 0 takes every step.
        patience: with validation pairs, stop after so many steps without a better validation loss
            and go back to the best; None never does.

    Raises:
        ValueError: an option is unknown, or not one of this optimiser, or a number is out of range.
    """

    optimizer: str = "lbfgs"
    steps: int = 40
    learning_rate: float | None = None
    temperature: float = 1.0
    rescale: bool = True
    average: str = "pair"
    start: str = "normal"
    start_scale: float = 0.1
    ridge_basis: float | tuple[float, ...] = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3)
    ridge_logits: float = 3e-3
    anchor: float = 0.0
    anchor_warmup: tuple[float, float] = (0.2, 0.8)
    prune: float = 0.0
    tolerance: float = 1e-3
    patience: int | None = 2

    def __post_init__(self) -> None:
        one_of("optimizer", self.optimizer, ("lbfgs", "adam", "alternating"))
        one_of("average", self.average, ("pair", "user"))
        one_of("start", self.start, ("normal", "uniform"))
        only_for(self, "learning_rate", ("adam", "alternating"), 0.05)
        number("temperature", self.temperature, above=True)
        if isinstance(self.ridge_basis, list):
            set_field(self, "ridge_basis", tuple(self.ridge_basis))
        rising("ridge_basis", self.ridges)
        for name in ("start_scale", "ridge_logits", "anchor", "prune", "tolerance"):
            number(name, getattr(self, name))
        whole_number("steps", self.steps, at_least=0)
        if self.patience is not None:
            whole_number("patience", self.patience, at_least=1)
        flag("rescale", self.rescale)
        begin, end = two("anchor_warmup", self.anchor_warmup, "(from, to)")
        set_field(self, "anchor_warmup", (begin, end))
        if not 0 <= begin <= end <= 1:
            raise ValueError(
                f"anchor_warmup is {self.anchor_warmup}, expected 0 <= from <= to <= 1"
            )

    @property
    def ridges(self) -> tuple[float, ...]:
        """Every ridge_basis, from weak to strong; most recipes have one."""
        ridge = self.ridge_basis
        return ridge if isinstance(ridge, tuple) else (ridge,)

    def anchor_at(self, step: int) -> float:
        """The anchor's strength at a step: zero, then linear, then full."""
        begin, end = (int(share * self.steps) for share in self.anchor_warmup)
        if step < begin:
            return 0.0
        if step >= end:
            return self.anchor
        return self.anchor * (step - begin) / (end - begin)


CENTRES = ("posterior", "crowd")


@dataclass(frozen=True)
class FewShot:
    """How the weights of new users are fitted, each from their own pairs.

    For one user with pairs of margin m and w on the simplex:

        newton   minimises  Σ log(1 + exp(-m / temperature))  +  prior · KL(c || w)
        adam     takes steps down the mean of log(1 + exp(-m / temperature)), as the paper does

    Args:
        optimizer: "newton" or "adam".
        steps: at most so many (Newton), exactly so many (Adam).
        temperature: τ > 0, that of the recipe by which the basis was fitted.
        prior: of Newton's method, above 0; 2 if not given. Adam has none.
        centre: c, where Newton's prior draws the user to. "posterior" is the mean of the seen
            users' weights, each counted by how well they explain the user's pairs (of more than
            4,096 seen users, so many are asked); "crowd" counts everybody alike. "posterior" if
            not given. Adam has none.
        learning_rate: of Adam, 0.05 if not given. Newton's method has none.

    Raises:
        ValueError: an option is unknown, or not one of this optimiser, or a number is out of range.
    """

    optimizer: str = "newton"
    steps: int = 50
    temperature: float = 1.0
    prior: float | None = None
    learning_rate: float | None = None
    centre: str | None = None

    def __post_init__(self) -> None:
        one_of("optimizer", self.optimizer, ("newton", "adam"))
        only_for(self, "prior", ("newton",), 2.0)
        only_for(self, "learning_rate", ("adam",), 0.05)
        if self.optimizer == "newton":
            set_field(self, "centre", "posterior" if self.centre is None else self.centre)
            one_of("centre", self.centre, CENTRES)
        elif self.centre is not None:
            raise ValueError(refused("centre", self.centre, self.optimizer, ("newton",)))
        number("temperature", self.temperature, above=True)
        whole_number("steps", self.steps, at_least=1 if self.optimizer == "newton" else 0)


def only_for(
    recipe: Recipe | FewShot, name: str, optimizers: tuple[str, ...], default: float
) -> None:
    """Fill in an option for the optimisers that read it; refuse it for the others."""
    value = getattr(recipe, name)
    if recipe.optimizer in optimizers:
        set_field(recipe, name, number(name, default if value is None else value, above=True))
    elif value is not None:
        raise ValueError(refused(name, value, recipe.optimizer, optimizers))


def refused(name: str, value: object, optimizer: str, optimizers: tuple[str, ...]) -> str:
    """What to say about an option that an optimiser does not have."""
    return (
        f"{name} is {value!r}, but optimizer {optimizer!r} has none and would ignore it; leave it "
        f"out ({name}=None), or use {' or '.join(map(repr, optimizers))}"
    )


FEW_SHOT = FewShot()

# Validation pairs stop a training when their *loss* rises, and prefer a strong ridge for the same
# reason: a large margin on the wrong side costs much. Where people are sure of their choices the
# ranking still gets better then. This recipe goes on; whether it is wanted is for accuracy to say.
WEAK_RIDGE = Recipe(ridge_basis=1e-6, patience=None)

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
PAPER_FEW_SHOT = FewShot(optimizer="adam", steps=500, learning_rate=0.1, temperature=100.0)
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
