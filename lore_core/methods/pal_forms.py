"""The two forms of PAL: ideal points, and prototypes that depend on the prompt.

Source and symbols: as in `pal.py`.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lore_core.methods import parameter_count
from lore_core.methods.pal import PALModel, Projector, random_table
from lore_core.objective import pair_loss


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
