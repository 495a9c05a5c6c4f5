"""How far each way of steering a language model moves what it says, for one user.

Shapes: p prompts, n responses of the plain model to each, m of the mixed logits, K rewards.
"""

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from lore_core.evaluation import small_tables
from lore_core.evaluation.bootstrap import bootstrap, lead
from lore_core.language_model.steer import best, tilted
from lore_core.tools import checks
from lore_core.tools.paths import FIGURES

Measured = dict[str, Tensor]  # name -> (p, n); "basis_scores" -> (p, n, K)
PLAIN = "plain"
FILE = FIGURES / "steering.csv"
KEYS = ["user", "way", "measure"]
KEPT = ("mean", "low", "high")  # of a lead


def ways(plain: Measured, mixed: Measured, weights: Tensor, beta: float) -> dict[str, Measured]:
    """Each measure of each way of steering, a number for every prompt.

    The plain model's is the mean of its n responses. `tilted` needs no draws: it is their mean
    under the closed form's probabilities, which the mixed logits are to approach.

    Args:
        plain, mixed: what was measured of both models' responses.
        weights: (K,) the user's.
        beta: price of KL.

    Returns:
        {way: {measure: (p,)}}, the way `plain` first.
    """
    rewards = plain["basis_scores"]
    place = best(rewards, weights)
    shares = {
        PLAIN: torch.full_like(rewards[..., 0], 1 / rewards.shape[1]),
        f"best of {rewards.shape[1]}": torch.nn.functional.one_hot(place, rewards.shape[1]),
        "tilted": tilted(rewards, weights, beta),
    }
    found = {way: expected(plain, share.double(), weights) for way, share in shares.items()}
    even = torch.full_like(mixed["basis_scores"][..., 0], 1 / mixed["basis_scores"].shape[1])
    return found | {"mixed logits": expected(mixed, even, weights)}


def expected(measured: Measured, share: Tensor, weights: Tensor) -> Measured:
    """Each measure's mean over a prompt's responses, (p,); an empty response has no surprise.

    Args:
        measured: (p, n) each.
        share: (p, n) how much each response counts.
        weights: (K,) the user's.
    """
    columns = {name: table for name, table in measured.items() if name != "basis_scores"}
    columns["reward"] = measured["basis_scores"] @ weights.double()
    return {name: mean_of(table, share) for name, table in columns.items()}


def mean_of(table: Tensor, share: Tensor) -> Tensor:
    """The mean of each row, of the entries that are known."""
    known = share * ~table.isnan()
    return (table.nan_to_num() * known).sum(1) / known.sum(1)


def rows(
    user: str, found: dict[str, Measured], unit: Tensor, generator: torch.Generator
) -> list[dict]:
    """The rows of the table for one user.

    Args:
        user: whose.
        found: what `ways` returns.
        unit: the standard deviation of this user's reward over the data set.
        generator: source of the bootstrap's draws.

    Returns:
        One dictionary for each way and measure: the mean over prompts with its interval, and by how
        much it is ahead of the plain model on the same prompts.
    """
    table = []
    for way, measures in found.items():
        for name, values in measures.items():
            scale = unit if name == "reward" else torch.ones(())
            mine, others = values / scale, found[PLAIN][name] / scale
            mean = bootstrap(mine, generator)
            ahead = lead(mine, others, generator)
            shown = mean._asdict() | {f"ahead_{part}": getattr(ahead, part) for part in KEPT}
            table.append({"user": user, "way": way, "measure": name, "prompts": len(mine)} | shown)
    return table


def write(table: list[dict], path: Path | str = FILE) -> None:
    """Write the table."""
    frame = pd.DataFrame(table)
    checks.one_of("the first way", frame.way.iloc[0], (PLAIN,))
    small_tables.write(frame, path)


def read(path: Path | str = FILE) -> pd.DataFrame:
    """The table as it was written; errors as in `small_tables.read`."""
    return small_tables.read(path, KEYS, ["prompts", *KEPT, *(f"ahead_{part}" for part in KEPT)])
