"""What is fitted: the shipped world, and worlds of random numbers of any size.

Shapes: M responses, d features, N users, K basis rewards.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lore_core import Preferences, Responses
from lore_core.datasets import alpaca_eval
from lore_core.evaluation.study import Study
from lore_core.evaluation.synthetic import Crowd

RANK = 5
CROWD = Crowd(concentration=0.1, n_seen=1000, n_unseen=500, n_pairs=47, pool=50)
AT_ONCE = 2**20  # pairs that are answered at once


@cache
def shipped() -> Study:
    """A thousand users on AlpacaEval's real responses: MiniLM's embeddings, d = 384, float32."""
    study = CROWD.study(alpaca_eval.load(encoder=alpaca_eval.MINILM), seed=0)
    responses = replace(study.responses, embeddings=study.responses.embeddings.float())
    return replace(study, responses=responses)


class World:
    """Random embeddings, and users who mix planted rewards and answer without noise.

    Numbers are float32 and drawn as such: they are for clocks, not for results.

    Args:
        n_responses: M.
        d: features.
        rank: K planted rewards.
        seed: of all draws.
    """

    def __init__(self, n_responses: int, d: int, rank: int = RANK, seed: int = 0) -> None:
        self.draw = torch.Generator().manual_seed(seed)
        rows = torch.randn(n_responses, d, generator=self.draw)
        self.responses = Responses(rows, torch.arange(n_responses))
        self.scores = rows @ normalize(torch.randn(d, rank, generator=self.draw), dim=0)

    def ask(self, n_users: int, *sizes: int) -> list[Preferences]:
        """Pairs of new users, as many sets as there are sizes: so many of each user.

        Args:
            n_users: N.
            sizes: pairs of each user.
        """
        weights = torch.rand(n_users, self.scores.shape[1], generator=self.draw).pow(8)
        weights /= weights.sum(1, keepdim=True)
        return [self.asked(weights, each) for each in sizes]

    def asked(self, weights: Tensor, each: int) -> Preferences:
        """Random pairs, the better one first."""
        n_users, n_responses = len(weights), len(self.scores)
        user = torch.arange(n_users).repeat_interleave(each)
        one, step = (
            torch.randint(low, n_responses, (len(user),), generator=self.draw) for low in (0, 1)
        )
        other = (one + step) % n_responses
        for rows in torch.arange(len(user)).split(AT_ONCE):
            gap = (self.scores[one[rows]] - self.scores[other[rows]]) * weights[user[rows]]
            lost = rows[gap.sum(1) < 0]
            one[lost], other[lost] = other[lost], one[lost]
        return Preferences(user, one, other, n_users)
