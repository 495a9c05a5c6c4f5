"""New users of a study who can be asked anything: their true tastes answer.

What they are asked about are two candidates of one of the study's seen prompts; what they are
tested on are the study's pairs of unseen prompts.

Shapes: N new users, M responses, Q pairs, B test pairs, T traits, K basis rewards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from lore_core.evaluation.study import UNSEEN, Study
from lore_core.evaluation.temperature import best_temperature
from lore_core.few_shot import fit_weights
from lore_core.preferences import Preferences
from lore_core.responses import centred
from lore_core.reward import LowRankReward
from lore_core.scores import pair_margins
from lore_core.simulation.habits import Habit
from lore_core.simulation.labels import draw_prompts, noisy_choices
from lore_core.simulation.tastes import tie, utilities
from lore_core.tools import checks, draws

SAME = 1e-6  # scores of two responses that differ by less differ by rounding


@dataclass(frozen=True, eq=False)
class Newcomers:
    """New users of a study with tastes, and a reward learned from its seen users.

    Args:
        study: of synthetic users; its unseen users are asked.
        reward: fitted on its training pairs.

    Raises:
        ValueError: the study is of real people, who have no tastes to answer by.
    """

    study: Study
    reward: LowRankReward

    def __post_init__(self) -> None:
        checks.instance_of("study", self.study, Study)
        checks.instance_of("reward", self.reward, LowRankReward)
        if self.study.tastes is None or self.study.responses.traits is None:
            raise ValueError(
                "this study has no tastes: questions need users who can answer any of them; give "
                "a study of synthetic users"
            )

    @cached_property
    def scores(self) -> Tensor:
        """S, (M, K) float64, of every response; what all have in common is taken out."""
        return self.reward.basis_scores(centred(self.study.responses.embeddings)).double()

    @property
    def tastes(self) -> Tensor:
        """Of all users of the study, (users, T) float64."""
        assert self.study.tastes is not None  # checked at the door
        return self.study.tastes.double()

    @cached_property
    def utility(self) -> Tensor:
        """How much every new user likes every response, (N, M)."""
        traits = self.study.responses.known_traits.double()
        return self.tastes[self.study.users.test] @ traits.T

    @property
    def n_users(self) -> int:
        """N."""
        return len(self.study.users.test)

    @property
    def tie(self) -> float:
        """A difference of utilities that is none."""
        return tie(self.study.responses)

    def lead(self, asked: Tensor) -> Tensor:
        """By how much each user likes the first of their pair (N, 2) better, (N,)."""
        first, second = self.utility.gather(1, asked).T
        return first - second

    def gaps(self, asked: Tensor) -> Tensor:
        """Basis scores of the first minus those of the second of pairs (Q, 2), (Q, K)."""
        return self.scores[asked[:, 0]] - self.scores[asked[:, 1]]

    @cached_property
    def test_gaps(self) -> Tensor:
        """Of the tests, (B, K)."""
        tests = self.study.tests[UNSEEN]
        return self.gaps(torch.stack([tests.chosen, tests.rejected], 1))

    def accuracy(self, weights: Tensor) -> Tensor:
        """Of new users' weights (N, K) on the tests, (N,)."""
        tests = self.study.tests[UNSEEN]
        return tests.share_won(pair_margins(self.test_gaps, weights.double(), tests.user))

    @cached_property
    def known_weights(self) -> Tensor:
        """As good as knowing w: fitted to all of the study's shots, which have no noise, (N, K)."""
        return fit_weights(self.reward, self.study.responses, self.study.shots)

    @cached_property
    def pairs(self) -> Tensor:
        """Every two candidates of a seen prompt that differ for the reward, (pairs, 2) rows.

        A few responses to a prompt have the same words. Nobody would be asked about these.
        """
        candidates = self.study.responses.candidates_of(self.study.prompts.train)
        both = torch.combinations(torch.arange(candidates.shape[1]))
        pairs = candidates[:, both].flatten(0, 1)
        return pairs[self.gaps(pairs).abs().amax(1) > SAME]

    def goals(self, n: int, seed: int) -> Tensor:
        """Gaps of random pairs of seen prompts, for a policy that looks at its goal, (n, K)."""
        order = draws.order(draws.generator(seed), len(self.pairs))
        return self.gaps(self.pairs[order[:n]])

    def temperature(self, habit: Habit, seed: int, n_pairs: int = 20) -> float:
        """The τ at which the reward's margins explain how its seen users answer.

        Args:
            habit: how they answer.
            seed: of pairs and answers.
            n_pairs: each seen user is asked about a random pair of so many validation prompts, or
                of all of them.
        """
        responses, users = self.study.responses, self.study.users.train
        generator, tastes = draws.generator(seed), self.tastes[users]
        prompts = self.study.prompts.validation
        asked = draw_prompts(prompts, len(users), min(n_pairs, len(prompts)), generator)
        pairs = noisy_choices(responses, tastes, asked, 1.0, generator)  # only for its pairs
        likes = [
            utilities(responses, tastes, pairs.user, r) for r in (pairs.chosen, pairs.rejected)
        ]
        right = habit.draw(likes[0] - likes[1], generator, self.tie)
        return best_temperature(self.reward.margins(responses, turned(pairs, ~right)))


def turned(pairs: Preferences, wrong: Tensor) -> Preferences:
    """The pairs, some of them answered the other way round."""
    return replace(
        pairs,
        chosen=torch.where(wrong, pairs.rejected, pairs.chosen),
        rejected=torch.where(wrong, pairs.chosen, pairs.rejected),
    )
