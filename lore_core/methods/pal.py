"""PAL, pluralistic alignment: a user is a mixture of K prototypes, in a space that is learned.

    w_u = softmax(l_u)

    PAL-A, ideal points      a_u    = f(w_u P)                  r_u(x) = -||f(e(x)) - a_u||
    PAL-B, by prompt         a_u(q) = Σ_k w_uk g_k(e(q))        r_u(x) = exp(s) cos(f(e(x)), a_u(q))

A learns with the hinge loss max(0, 1 - margin), B with log(1 + exp(-margin)); see
`pal_training.py`. The two forms are in `pal_forms.py`. For a new user only the logits are fitted.

Source: Chen, Chen, Rege, Wang and Vinayak (ICLR 2025, arXiv 2406.08469); layers as in the authors'
code, here on frozen embeddings.

Shapes: M responses, P prompts, N users, n responses each, K prototypes, d features, p width.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lore_core.methods.networks import Network, Standardised
from lore_core.methods.pal_new_user import USERS, NewUser, fit_new_users
from lore_core.methods.protocol import Model
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import checks
from lore_core.tools.ragged import padded


class Projector(nn.Module):
    """Linear d -> p, then `layers` times p -> p, each after an activation; `residual` adds e."""

    def __init__(
        self,
        d: int,
        width: int,
        layers: int,
        activation: Callable[[Tensor], Tensor] = F.gelu,
        residual: bool = False,
    ):
        super().__init__()
        inputs = [d] + [width] * layers
        self.layers = nn.ModuleList(nn.Linear(size, width) for size in inputs)
        self.activation = activation
        self.residual = residual

    def forward(self, inputs: Tensor) -> Tensor:
        *inner, last = self.layers
        hidden = inputs
        for layer in inner:
            hidden = self.activation(layer(hidden))
        return last(hidden) + inputs if self.residual else last(hidden)


class PALModel(Model, Network):
    """What A and B have in common: logits per user, and how new ones are fitted.

    `tables` depends on responses and prompts, not on users. `items` looks up rows in them, (N, n):
    n responses for each of N users. `rewards` gives each its r_u(x), (N, n).

    Args:
        settings: sizes d, rank K, width p, layers, n_users N, and new_user, see `NewUser`.
    """

    def __init__(self, settings: dict[str, Any]):
        super().__init__()
        self.settings = settings
        self.new_user = NewUser(**settings["new_user"])
        self.inputs = Standardised(settings["d"])
        self.logits = nn.Parameter(random_table(settings["n_users"], settings["rank"]))

    @abstractmethod
    def tables(self, e: Tensor, q: Tensor | None, prompt: Tensor) -> Any:
        """What depends on responses e (M, d), prompts q (P, d) and `prompt` (M,), on no user."""

    @abstractmethod
    def items(self, tables: Any, rows: Tensor) -> Any:
        """The rows (N, n) of the tables: n responses for each of N users."""

    @abstractmethod
    def rewards(self, items: Any, weights: Tensor) -> Tensor:
        """r_u(x) of each user's responses, (N, n), for weights (N, K)."""

    @abstractmethod
    def losses(self, margins: Tensor) -> Tensor:
        """The loss of each margin."""

    @property
    def n_features(self) -> int:
        return self.settings["d"]

    @property
    def personal(self) -> Tensor:
        """Weights on the simplex, (N, K)."""
        return self.logits.detach().softmax(-1)

    def checked(self, personal: Tensor, n_users: int) -> Tensor:
        return super().checked(checks.simplex_rows("personal", personal), n_users)

    @torch.no_grad()
    def _scores(self, responses: Responses, personal: Tensor, user: Tensor, rows: Tensor) -> Tensor:
        tables = self.tables(*inputs_of(responses))
        scores = personal.new_zeros(len(rows))
        blocks = (t.split(USERS) for t in (personal, *padded(user, len(personal))))
        for weights, place, mask in zip(*blocks, strict=True):
            rewards = self.rewards(self.items(tables, rows[place]), weights)
            scores[place[mask]] = rewards[mask]
        return scores

    @torch.no_grad()
    def _adapt(self, responses: Responses, shots: Preferences, seed: int) -> Tensor:
        return fit_new_users(self, self.tables(*inputs_of(responses)), shots, seed)

    def state(self) -> tuple[dict[str, Tensor], dict]:
        return self.state_dict(), self.settings

    @classmethod
    def restore(cls, tensors: dict[str, Tensor], settings: dict) -> PALModel:
        model = cls(settings)
        model.load_state_dict(tensors)
        return model.requires_grad_(False)


def random_table(rows: int, columns: int) -> Tensor:
    """Normal draws from torch's own generator, in float64: the same numbers on every processor."""
    return torch.randn(rows, columns, dtype=torch.float64).float()


def inputs_of(responses: Responses) -> tuple[Tensor, Tensor | None, Tensor]:
    """Embeddings of responses and of prompts, and which response belongs to which prompt."""
    return responses.embeddings, responses.prompt_embeddings, responses.prompt
