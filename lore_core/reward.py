"""Low-rank rewards: every user mixes the same K basis rewards.

    r_u(x) = e(x) · V · w_u,    w_u = softmax(l_u)        # LoRe, arXiv 2504.14439

Shapes: M responses, d features, K basis rewards, N users, B pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lore_core.preferences import Preferences, check_world
from lore_core.responses import Responses
from lore_core.scores import basis_scores, compared, logits_of, pair_margins, score_gaps
from lore_core.tools import checks, tensor_files
from lore_core.tools.checks import float_matrix, set_field, simplex_rows, whole_number
from lore_core.tools.devices import Device

OVERFLOW = "embeddings times basis overflow; use smaller units, or float64"


@dataclass(frozen=True, eq=False)
class LowRankReward:
    """A reward model for N users at the price of K numbers each.

    Args:
        basis: V, (d, K) floats, one basis reward per column.
        logits: l, (N, K) floats, one row per user.

    Raises:
        ValueError: shapes disagree, K < 1, or a value is not finite.

    Source: LoRe (arXiv 2504.14439), §3 in linear form.
    """

    basis: Tensor
    logits: Tensor

    def __post_init__(self) -> None:
        for name in ("basis", "logits"):
            set_field(self, name, float_matrix(name, getattr(self, name)).detach())
        whole_number("number of users", len(self.logits), at_least=1)
        if self.basis.shape[1] < 1 or self.basis.shape[1] != self.logits.shape[1]:
            raise ValueError(
                f"basis {tuple(self.basis.shape)} and logits {tuple(self.logits.shape)} must have "
                "the same number of columns K, at least 1: (d, K) and (N, K)"
            )

    @classmethod
    def fixed(cls, direction: Tensor, n_users: int) -> LowRankReward:
        """One given direction for everybody: the reference that a rank sweep calls K = 0.

        Args:
            direction: (d,).
            n_users: N.

        Raises:
            ValueError: there is no user, or the direction has a value that is not finite.
        """
        column = float_matrix("direction", checks.tensor("direction", direction).unsqueeze(-1))
        n_users = whole_number("n_users", n_users, at_least=1)
        return cls(column, column.new_zeros(n_users, 1))

    @classmethod
    def from_weights(cls, basis: Tensor, weights: Tensor) -> LowRankReward:
        """The reward of users whose weights are known, a weight of 0 included.

        Args:
            basis: V, (d, K).
            weights: w, (N, K), rows on the simplex.

        Raises:
            ValueError: a row of weights is not on the simplex, or shapes disagree.
        """
        return cls(basis, logits_of(simplex_rows("weights", weights)))

    @property
    def rank(self) -> int:
        """K, the number of basis rewards."""
        return self.basis.shape[1]

    @property
    def weights(self) -> Tensor:
        """Each user's mixture, (N, K); rows sum to one."""
        return self.logits.softmax(dim=-1)

    @property
    def crowd_weights(self) -> Tensor:
        """The average user's mixture, (K,): what we know of someone we know nothing about."""
        return self.weights.mean(0)

    def basis_scores(self, embeddings: Tensor) -> Tensor:
        """S = embeddings @ V, (M, K): every response scored once by every basis reward.

        Raises:
            ValueError: embeddings of another width, or so large that a score overflows.
        """
        embeddings = checks.tensor("embeddings", embeddings)
        if embeddings.shape[-1] != self.basis.shape[0]:
            raise ValueError(
                f"embeddings have {embeddings.shape[-1]} features, the basis has "
                f"{self.basis.shape[0]}; use the embeddings that the reward was fitted on"
            )
        scores = basis_scores(embeddings.to(self.basis.dtype), self.basis)
        return checks.finite("basis scores", scores, OVERFLOW)

    def margins(
        self, responses: Responses, preferences: Preferences, weights: Tensor | None = None
    ) -> Tensor:
        """How much each user's reward puts chosen above rejected, (B,).

        Args:
            responses: what is ranked.
            preferences: B pairs of rows of `responses`.
            weights: (N, K) for other users than those of the fit, rows on the simplex; default,
                the fitted ones.

        Returns:
            (B,), positive where the reward agrees with the user, on the device of `responses`.

        Raises:
            ValueError: there is not one row of weights per user, or a row is not on the simplex.
        """
        check_world(responses, preferences)
        weights = self.weights if weights is None else checks.tensor("weights", weights)
        if weights.shape != (preferences.n_users, self.rank):
            raise ValueError(
                f"weights have shape {tuple(weights.shape)}, expected "
                f"{(preferences.n_users, self.rank)}: one row per user of these preferences; "
                "for new users pass weights=fit_weights(...)"
            )
        weights, gaps = simplex_rows("weights", weights), self.gaps(responses, preferences)
        return pair_margins(gaps, weights.to(gaps), preferences.user.to(gaps.device))

    def gaps(self, responses: Responses, preferences: Preferences) -> Tensor:
        """Basis scores of chosen minus those of rejected, (B, K), on the device of `responses`.

        Args:
            responses: what is ranked.
            preferences: B pairs of rows of `responses`.

        Raises:
            ValueError: a pair points past the last row, or scores over- or underflow.
        """
        rows, pairs = compared(responses, preferences)
        scores = self.to(rows.device).basis_scores(rows)
        if len(rows) and not scores.any():
            self.check_not_lost(rows)
        return checks.finite("scores of pairs", score_gaps(scores, pairs), OVERFLOW)

    def check_not_lost(self, rows: Tensor) -> None:
        """Raise a ValueError if scores are 0 because embeddings times basis are too small."""
        here = rows.to(self.basis)
        by_feature = rows.abs().amax(0).to(self.basis).double() * self.basis.abs().amax(1).double()
        underflow = 0 < float(by_feature.max()) < torch.finfo(self.basis.dtype).tiny
        if underflow or (rows.any() and not here.any()):
            raise ValueError(
                "all basis scores are 0: embeddings times basis underflow; use larger units, or "
                "float64"
            )

    def save(self, path: Path | str) -> None:
        """Write basis and logits to a safetensors file, whole or not at all."""
        tensors = {"basis": self.basis, "logits": self.logits}
        tensor_files.write(path, tensors, {"kind": "LowRankReward"})

    @classmethod
    def load(cls, path: Path | str) -> LowRankReward:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds something else.
        """
        return tensor_files.read_as(
            path, "LowRankReward", lambda tensors, _: cls(tensors["basis"], tensors["logits"])
        )

    def to(self, device: Device) -> LowRankReward:
        """The same reward on another device."""
        return LowRankReward(self.basis.to(device), self.logits.to(device))
