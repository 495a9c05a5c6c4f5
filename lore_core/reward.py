"""Low-rank rewards: every user mixes the same K basis rewards.

    r_u(x) = e(x) · V · w_u,    w_u = softmax(l_u)        # LoRe, arXiv 2504.14439

Shapes: M responses, d features, K basis rewards, N users, B pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lore_core.checks import float_matrix, set_field, whole_number
from lore_core.files import whole
from lore_core.preferences import Preferences


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

    def __post_init__(self):
        for name in ("basis", "logits"):
            set_field(self, name, float_matrix(name, getattr(self, name)))
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
        """
        return cls(direction[:, None], direction.new_zeros(n_users, 1))

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
        """S = embeddings @ V, (M, K): every response scored once by every basis reward."""
        if embeddings.shape[-1] != self.basis.shape[0]:
            raise ValueError(
                f"embeddings have {embeddings.shape[-1]} features, the basis has "
                f"{self.basis.shape[0]}; use the embeddings that the reward was fitted on"
            )
        return basis_scores(embeddings.to(self.basis.dtype), self.basis)

    def margins(
        self, embeddings: Tensor, preferences: Preferences, weights: Tensor | None = None
    ) -> Tensor:
        """How much each user's reward puts chosen above rejected, (B,).

        Args:
            embeddings: (M, d).
            preferences: B pairs of rows of `embeddings`.
            weights: (N, K) for other users than those of the fit; default, the fitted ones.

        Returns:
            (B,), positive where the reward agrees with the user, on the device of `embeddings`.

        Raises:
            ValueError: there is not one row of weights per user.
        """
        weights = self.weights if weights is None else float_matrix("weights", weights)
        if weights.shape != (preferences.n_users, self.rank):
            raise ValueError(
                f"weights have shape {tuple(weights.shape)}, expected "
                f"{(preferences.n_users, self.rank)}: one row per user of these preferences; "
                "for new users pass weights=fit_weights(...)"
            )
        scores = self.to(embeddings.device).basis_scores(embeddings)
        pairs = preferences.to(embeddings.device)
        return pair_margins(score_gaps(scores, pairs), weights.to(scores), pairs.user)

    def save(self, path) -> None:
        """Write basis and logits to a safetensors file, whole or not at all."""
        tensors = {"basis": self.basis.cpu().contiguous(), "logits": self.logits.cpu().contiguous()}
        with whole(path) as unfinished:
            save_file(tensors, unfinished)

    @classmethod
    def load(cls, path) -> LowRankReward:
        """Read what `save` wrote.

        Raises:
            ValueError: the file is damaged or holds something else.
        """
        try:
            tensors = load_file(path)
            return cls(tensors["basis"], tensors["logits"])
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f"{path} is not a saved LowRankReward ({error}); save it again"
            ) from error

    def to(self, device) -> LowRankReward:
        """The same reward on another device."""
        return LowRankReward(self.basis.to(device), self.logits.to(device))


def basis_scores(embeddings: Tensor, basis: Tensor) -> Tensor:
    """embeddings @ basis, (M, K)."""
    # With few columns a CPU is several times faster, forwards and backwards, on the transposes.
    return (basis.T.contiguous() @ embeddings.T).T.contiguous()


def score_gaps(scores: Tensor, preferences: Preferences) -> Tensor:
    """Basis scores of chosen minus those of rejected, (B, K)."""
    return scores.index_select(0, preferences.chosen) - scores.index_select(0, preferences.rejected)


def pair_margins(gaps: Tensor, weights: Tensor, user: Tensor) -> Tensor:
    """Each pair's gaps (B, K) mixed by its own user's row of weights (N, K): margins, (B,)."""
    return (gaps * weights.index_select(0, user)).sum(-1)


def reference_direction(embeddings: Tensor, score: Tensor, ridge: float = 1.0) -> Tensor:
    """The direction (d,) along which embeddings best predict a known score, by ridge regression.

    No user's preferences enter: the fixed reference to which a learned reward is compared.

    Args:
        embeddings: (M, d).
        score: (M,), for instance a judge's score.
        ridge: penalty on the squared length of the direction.

    Returns:
        (d,).
    """
    centred = embeddings - embeddings.mean(0)
    gram = centred.T @ centred + ridge * torch.eye(centred.shape[1]).to(centred)
    return torch.linalg.solve(gram, centred.T @ (score - score.mean()))
