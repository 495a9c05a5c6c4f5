"""PAL, pluralistic alignment: a user is a mixture of K prototypes, in a space that is learned.

    w_u = softmax(l_u)

    PAL-A, ideal points      a_u    = f(w_u P)                  r_u(x) = -||f(e(x)) - a_u||
    PAL-B, by prompt         a_u(q) = Σ_k w_uk g_k(e(q))        r_u(x) = exp(s) cos(f(e(x)), a_u(q))

A learns with the hinge loss max(0, 1 - margin), B with log(1 + exp(-margin)); see
`pal_training.py`. For a new user only the logits are fitted.

Source: Chen, Chen, Rege, Wang and Vinayak (ICLR 2025, arXiv 2406.08469); layers as in the authors'
code, here on frozen embeddings.

Shapes: M responses, P prompts, N users, n responses each, K prototypes, d features, p width.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lore_core.methods import parameter_count
from lore_core.methods.networks import Network, Standardised
from lore_core.methods.pal_new_user import USERS, NewUser, fit_new_users
from lore_core.methods.protocol import Model
from lore_core.objective import pair_loss
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


class PALAModel(PALModel):
    """Ideal points: a response is as good as it is near."""

    kind: ClassVar[str] = "PAL-A"

    def __init__(self, settings: dict[str, Any]):
        super().__init__(settings)
        d, rank = settings["d"], settings["rank"]
        self.prototypes = nn.Parameter(F.normalize(random_table(rank, d), dim=1))
        self.project = Projector(d, d, settings["layers"], F.relu, residual=True)

    @property
    def parameter_count(self) -> int:
        s = self.settings
        return parameter_count.pal_a(s["d"], s["rank"], s["layers"], s["n_users"])

    def tables(self, e: Tensor, q: Tensor | None, prompt: Tensor) -> Tensor:
        return self.project(self.inputs(e))

    def items(self, tables: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        f = tables[rows]
        return f, f.square().sum(-1)  # (N, n, d), (N, n)

    def rewards(self, items: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
        f, length = items
        ideal = self.project(weights @ self.prototypes)
        along = (f @ ideal[..., None])[..., 0]
        squared = length - 2 * along + ideal.square().sum(1, keepdim=True)
        return -squared.clamp_min(1e-6).sqrt()

    def losses(self, margins: Tensor) -> Tensor:
        """The hinge."""
        return (1 - margins).clamp_min(0)


class PALBModel(PALModel):
    """Prototypes that depend on the prompt: a response is as good as its angle to their mixture."""

    kind: ClassVar[str] = "PAL-B"

    def __init__(self, settings: dict[str, Any]):
        super().__init__(settings)
        sizes = [settings[name] for name in ("d", "width", "layers")]
        self.project = Projector(*sizes)
        self.prototypes = nn.ModuleList(Projector(*sizes) for _ in range(settings["rank"]))
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def parameter_count(self) -> int:
        s = self.settings
        return parameter_count.pal_b(s["d"], s["rank"], s["width"], s["layers"], s["n_users"])

    def tables(self, e: Tensor, q: Tensor | None, prompt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if q is None:
            raise ValueError("PAL-B reads the prompt on its own; give Responses prompt_embeddings")
        if q.shape[1] != e.shape[1]:
            raise ValueError(
                f"prompt_embeddings have {q.shape[1]} features, embeddings {e.shape[1]}; PAL-B "
                "reads both in one space: use the same encoder"
            )
        f = F.normalize(self.project(self.inputs(e)), dim=1)
        q = self.inputs(q)
        g = torch.stack([prototype(q) for prototype in self.prototypes], 1)  # (P, K, p)
        along = (g[prompt] @ f[..., None])[..., 0]
        return along, g @ g.mT, prompt  # (M, K), (P, K, K), (M,): the width p is gone

    def items(self, tables: tuple[Tensor, Tensor, Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
        along, gram, prompt = tables
        return along[rows], gram[prompt[rows]]  # (N, n, K), (N, n, K, K)

    def rewards(self, items: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
        along, gram = items  # cos(f, Σ w_k g_k) = Σ w_k f·g_k / ||Σ w_k g_k||
        squared = torch.einsum("nk,nmkj,nj->nm", weights, gram, weights)
        cosine = torch.einsum("nmk,nk->nm", along, weights) / squared.clamp_min(1e-12).sqrt()
        return self.log_scale.exp().clamp_max(100) * cosine

    def losses(self, margins: Tensor) -> Tensor:
        """Cross-entropy over the two responses."""
        return pair_loss(margins)


def random_table(rows: int, columns: int) -> Tensor:
    """Normal draws from torch's own generator, in float64: the same numbers on every processor."""
    return torch.randn(rows, columns, dtype=torch.float64).float()


def inputs_of(responses: Responses) -> tuple[Tensor, Tensor | None, Tensor]:
    """Embeddings of responses and of prompts, and which response belongs to which prompt."""
    return responses.embeddings, responses.prompt_embeddings, responses.prompt
