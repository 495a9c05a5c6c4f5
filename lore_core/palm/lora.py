"""LoRA: small updates of a decoder's linear layers, trained towards shares of given responses.

Shapes: p prompts, C candidates each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from lore_core.language_model.batches import batches
from lore_core.language_model.causal import BUDGET, log_likelihood
from lore_core.language_model.chat import Turn
from lore_core.language_model.lora import with_lora
from lore_core.tools import checks, draws

LARGEST_STEP = 1.0  # norm of a gradient


@dataclass(frozen=True)
class Lora:
    """How a policy is trained.

    Args:
        rank: of the update of each linear layer.
        learning_rate: of AdamW.
        epochs: passes over the prompts.
        together: prompts whose gradients make one step.
        smallest: a candidate with a smaller share is left out; it would cost as much as the others.
        budget: tokens per forward pass, padding included.
    """

    rank: int = 8
    learning_rate: float = 1e-3
    epochs: int = 3
    together: int = 4
    smallest: float = 1e-4
    budget: int = BUDGET

    def __post_init__(self) -> None:
        checks.number("learning_rate", self.learning_rate, above=True)
        checks.number("smallest", self.smallest)
        checks.whole_numbers(1, rank=self.rank, epochs=self.epochs, together=self.together)
        checks.whole_number("budget", self.budget, at_least=1)


def fit(
    model: Any,
    chats: list[list[Turn]],
    targets: Tensor,
    lora: Lora,
    source: torch.Generator,
    progress: bool,
) -> list[float]:
    """Descend on the loss; the mean of each epoch, before its steps."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lora.learning_rate, weight_decay=0.0)
    losses = []
    hidden: dict[str, Any] = {} if progress else {"disable": True}
    for _ in tqdm(range(lora.epochs), desc="epochs", **hidden):
        total = 0.0
        for some in draws.order(source, len(chats)).split(lora.together):
            losses_here = [prompt_loss(model, chats[x], targets[x], lora) for x in some.tolist()]
            total += sum(losses_here)
            for weight in trained:
                if weight.grad is not None:
                    weight.grad /= len(some)
            torch.nn.utils.clip_grad_norm_(trained, LARGEST_STEP)
            optimizer.step()
            optimizer.zero_grad()
        losses.append(total / len(chats))
    return losses


def prompt_loss(model: Any, chats: list[Turn], target: Tensor, lora: Lora) -> float:
    """−Σ_y π_w(y|x) log p_θ(y|x) of one prompt; its gradient is added to the weights'."""
    total = 0.0
    for rows in likely(chats, target, lora):
        found = log_likelihood(model, [chats[row] for row in rows])
        loss = -(target[rows].to(found) * found).sum()
        loss.backward()
        total += loss.item()
    return total


def likely(chats: list[Turn], target: Tensor, lora: Lora) -> Iterator[list[int]]:
    """The candidates that count, in batches of like length."""
    rows = (target > lora.smallest).nonzero().flatten().tolist()
    for places in batches([chats[row].stop for row in rows], lora.budget):
        yield [rows[place] for place in places]


def with_adapter(model: Any, lora: Lora, source: torch.Generator) -> Any:
    """The model with a fresh adapter on all its linear layers; it says what it said before."""
    return with_lora(model, source, "all-linear", lora.rank, 2 * lora.rank)
