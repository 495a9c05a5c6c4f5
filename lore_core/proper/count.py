"""How many numbers PROPER trains: shared ones, and those of a user.

Each formula is tested against a model that was built. Sides are (i, o) of one adapted layer.
"""

from collections.abc import Sequence

from torch import nn

from lore_core.proper.inject import PARTS, Injected
from lore_core.tools import checks

Sides = Sequence[tuple[int, int]]


def mlp_sides(layers: int, hidden: int, mlp: int) -> list[tuple[int, int]]:
    """The sides of gate, up and down in every block of a Llama.

    Args:
        layers: blocks.
        hidden: width of the residual stream.
        mlp: width of the MLP.
    """
    checks.whole_numbers(1, layers=layers, hidden=hidden, mlp=mlp)
    return layers * [(hidden, mlp), (hidden, mlp), (mlp, hidden)]


def lora(sides: Sides, r: int) -> int:
    """One update of every layer: Σ r (i + o)."""
    checks.whole_number("r", r, at_least=1)
    return sum(r * (i + o) for i, o in sides)


def user_router(sides: Sides, n_experts: int, terms: int = 2) -> int:
    """W_x and W_u of every layer: Σ 2 M i; one of them alone: Σ M i."""
    checks.whole_numbers(1, n_experts=n_experts, terms=terms)
    return sum(terms * n_experts * i for i, _ in sides)


def lora_router(sides: Sides, n_experts: int) -> int:
    """W_l of every layer: Σ M o."""
    checks.whole_number("n_experts", n_experts, at_least=1)
    return sum(n_experts * o for _, o in sides)


def user_tables(sides: Sides, n_users: int) -> int:
    """e_u of all users in every layer: N Σ i."""
    checks.whole_number("n_users", n_users, at_least=1)
    return n_users * sum(i for i, _ in sides)


def shared(sides: Sides, r: int, n_experts: int) -> int:
    """Experts and user-aware routers, without the tables of users."""
    return n_experts * lora(sides, r) + user_router(sides, n_experts)


def per_user(sides: Sides, r: int) -> int:
    """One user's update and e_u, in every layer."""
    return lora(sides, r) + user_tables(sides, 1)


def of(injected: Injected) -> dict[str, int]:
    """What the parts of a model's adapted layers hold, tables of users apart from their router."""
    found = {part: 0 for part in PARTS} | {"tables": 0}
    for layer in injected.layers.values():
        for part in PARTS:
            module = getattr(layer, part)
            found[part] += sum(w.numel() for w in module.parameters()) if module else 0
        table = layer.router.table if layer.router else None
        learned = table.numel() if isinstance(table, nn.Parameter) else 0  # others are given
        found["router"] -= learned
        found["tables"] += learned
    return found
