"""VPL, variational preference learning: a user is a latent vector, inferred from their pairs.

    q(z | pairs of u) = N(μ, σ²)         a set encoder reads the user's pairs
    r_u(x) = reward network (e(x), z)
    maximise   E_q  Σ log σ(r_u(chosen) - r_u(rejected))  -  β KL(q || N(0, 1))

A new user's latent is read off their pairs, z = μ; nothing is optimised. How the networks are
trained is in `vpl_training.py`.

Source: Poddar, Wan, Ivison, Gupta and Jaques (NeurIPS 2024); widths and layers as in the authors'
code, here on frozen embeddings.  Shapes: N users, C pairs, d features, h hidden, z latent width.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn

from lore_core.methods import parameter_count
from lore_core.methods.networks import Network, Standardised
from lore_core.methods.protocol import Model
from lore_core.methods.side_by_side import side_by_side
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools.ragged import padded

ROWS, SETS = 2**14, 500  # scored, and encoded, at once: bounds the memory


class PairTable(NamedTuple):
    """Pairs of N users, a row each, (N, C): rows chosen and rejected, and which places are real."""

    chosen: Tensor
    rejected: Tensor
    mask: Tensor


class SetEncoder(nn.Module):
    """One head of self-attention over a user's pair codes, their mean, then μ and log σ²."""

    def __init__(self, latent: int):
        super().__init__()
        self.query = nn.Linear(latent, latent)
        self.key = nn.Linear(latent, latent)
        self.value = nn.Linear(latent, latent)
        self.mean = nn.Linear(latent, latent)
        self.log_variance = nn.Linear(latent, latent)

    def forward(
        self, codes: Tensor, mask: Tensor, place: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """μ and log σ², (N, z) in [-1, 1], of the codes (N, C, z) that the mask (N, C) keeps.

        With a place (N, C), codes are (P, z), and the place says which one is where.
        """
        query, key = self.query(codes), self.key(codes)
        if place is not None:
            query, key, codes = query[place], key[place], codes[place]
        match = query @ key.mT / math.sqrt(codes.shape[-1])
        shares = match.masked_fill(~mask[:, None], -math.inf).softmax(-1)
        share = shares.masked_fill(~mask[..., None], 0).sum(1) / mask.sum(1, keepdim=True)
        # Shares add up to one, so the mean of the values read is the value of the mean code.
        read = self.value((share[:, None] @ codes)[:, 0])
        return self.mean(read).clamp(-1, 1), self.log_variance(read).clamp(-1, 1)


class VPLModel(Model, Network):
    """The networks, and each seen user's latent (N, z).

    Args:
        d, hidden, latent, n_users: sizes d, h, z and N.
    """

    kind: ClassVar[str] = "VPL"
    latents: Tensor

    def __init__(self, d: int, hidden: int, latent: int, n_users: int):
        super().__init__()
        self.sizes = {"d": d, "hidden": hidden, "latent": latent, "n_users": n_users}
        self.inputs = Standardised(d)
        self.pair_encoder = network(2 * d, hidden, hidden, latent)
        self.set_encoder = SetEncoder(latent)
        self.reward = network(d + latent, hidden, hidden, 1)
        self.register_buffer("latents", torch.zeros(n_users, latent))

    @property
    def personal(self) -> Tensor:
        return self.latents

    @property
    def n_features(self) -> int:
        return self.sizes["d"]

    @property
    def parameter_count(self) -> int:
        d, h, z, _ = self.sizes.values()
        return parameter_count.vpl(d, h, z)

    def posterior(self, e: Tensor, pairs: PairTable) -> tuple[Tensor, Tensor]:
        """μ and log σ² of users who all have pairs, (N, z) each, from standardised embeddings."""
        return self.set_encoder(self.codes(e, pairs.chosen, pairs.rejected), pairs.mask)

    def posterior_once(self, e: Tensor, pairs: Preferences) -> tuple[Tensor, Tensor]:
        """`posterior`, where a pair that several users give is read once."""
        key, place = (pairs.chosen * len(e) + pairs.rejected).unique(return_inverse=True)
        positions, mask = padded(pairs.user, pairs.n_users)
        codes = self.codes(e, key // len(e), key % len(e))
        return self.set_encoder(codes, mask, place[positions])

    def codes(self, e: Tensor, chosen: Tensor, rejected: Tensor) -> Tensor:
        """What the encoder makes of pairs of rows, (..., z)."""
        return self.pair_encoder(torch.cat([e[chosen], e[rejected]], -1))

    def halves(self, e: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """What the reward network adds up of each e and of each z, (..., h), to go on from."""
        first = cast(nn.Linear, self.reward[0])
        of_e, of_z = side_by_side(first, e.flatten(0, -2), latent)
        return of_e.view(*e.shape[:-1], -1), of_z

    def rewards(self, halves: Tensor) -> Tensor:
        """The reward network on (e(x), z), from the sum of their `halves`, (..., h)."""
        return self.reward[1:](halves)[..., 0]

    @torch.no_grad()
    def _scores(self, responses: Responses, personal: Tensor, user: Tensor, rows: Tensor) -> Tensor:
        used, place = rows.unique(return_inverse=True)
        of_e, of_z = self.halves(self.inputs(responses.embeddings[used]), personal)
        parts = zip(place.split(ROWS), user.split(ROWS), strict=True)
        return torch.cat([self.rewards(of_e[some] + of_z[whose]) for some, whose in parts])

    @torch.no_grad()
    def _adapt(self, responses: Responses, shots: Preferences, seed: int) -> Tensor:
        e, latent = self.inputs(responses.embeddings), self.crowd.repeat(shots.n_users, 1)
        known = (shots.counts > 0).nonzero().flatten()
        for first in range(0, len(known), SETS):
            users = known[first : first + SETS]
            latent[users], _ = self.posterior_once(e, shots.of_users(users))
        return latent

    def state(self) -> tuple[dict[str, Tensor], dict]:
        return self.state_dict(), self.sizes

    @classmethod
    def restore(cls, tensors: dict[str, Tensor], settings: dict) -> VPLModel:
        model = cls(**settings)
        model.load_state_dict(tensors)
        return model.requires_grad_(False)


def network(*widths: int) -> nn.Sequential:
    """Linear layers with leaky rectifiers between them."""
    layers = []
    for sizes in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(*sizes), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])
