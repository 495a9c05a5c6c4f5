"""Where training starts: a random basis and random logits, or given ones.

Shapes: d features, K basis rewards, N users.
"""

from torch import Tensor

from lore_core.recipes import Recipe
from lore_core.tools import checks, draws


def initial_values(
    init: tuple[Tensor, Tensor] | None,
    basis_shape: tuple[int, int],
    logits_shape: tuple[int, int],
    recipe: Recipe,
    scale: float,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Basis (d, K) and logits (N, K): those that were given, or random ones.

    Args:
        init: basis and logits, or None.
        basis_shape, logits_shape: (d, K) and (N, K).
        recipe: its `start` and `start_scale`.
        scale: what embeddings are divided by in training.
        seed: of the draws, in float64.

    Raises:
        ValueError: what was given does not fit this problem.
    """
    if init is not None:
        return given_values(init, basis_shape, logits_shape)
    generator = draws.generator(seed)
    draw_logits = draws.uniform if recipe.start == "uniform" else draws.normal
    basis = draws.normal(generator, *basis_shape)
    logits = draw_logits(generator, *logits_shape)
    return basis * recipe.start_scale / scale, logits


def given_values(
    init: tuple[Tensor, Tensor], basis_shape: tuple[int, int], logits_shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The basis and the logits that were given, or a ValueError if they do not fit."""
    if not isinstance(init, tuple | list) or len(init) != 2:
        raise ValueError("init is not a pair, expected (basis (d, K), logits (N, K))")
    basis = given("basis (d, K)", init[0], basis_shape)
    logits = given("logits (N, K)", init[1], logits_shape)
    return basis, logits


def initial_logits(init: Tensor | None, shape: tuple[int, int], seed: int) -> Tensor:
    """New users' logits (N, K): those that were given, or normal ones."""
    if init is None:
        return draws.normal(draws.generator(seed), *shape)
    return given("logits (N, K)", init, shape)


def given(what: str, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """The values that were given, or a ValueError if they have another shape."""
    table = checks.float_matrix("init", values)
    if tuple(table.shape) != shape:
        raise ValueError(f"init has shape {tuple(table.shape)}, expected {what} = {shape}")
    return table
