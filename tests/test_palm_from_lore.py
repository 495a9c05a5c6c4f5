"""A portfolio over LoRe's basis: every rung of the ladder against a loop, and their order."""

import pytest
import torch
from worlds import toy_responses

from lore_core import LowRankReward
from lore_core.palm.coverage import random_points
from lore_core.palm.from_lore import BASE, BEST, OWN, given, ladder, learned_rewards
from lore_core.palm.grids import paper_grid
from lore_core.palm.rivals import portfolios
from lore_core.splits import study_prompts
from lore_core.tools import draws

UNITS = torch.tensor([0.2, 1.0, 6.0], dtype=torch.float64)  # of the basis rewards


def planted(noise=0.0):
    """Responses whose traits a basis gives, or nearly, in other units; and users' true tastes."""
    responses = toy_responses(n_prompts=60, n_candidates=6)
    basis = torch.linalg.lstsq(responses.embeddings, responses.traits).solution
    basis = basis + noise * draws.normal(draws.generator(5), *basis.shape)
    seen, new = (random_points(n, 3, draws.generator(n)) for n in (40, 30))
    reward = LowRankReward.from_weights(basis * UNITS, in_units(seen))
    return reward, responses, study_prompts(responses, draws.generator(0)), new


def in_units(tastes):
    """Weights of the basis rewards that order responses as tastes order them."""
    return tastes / UNITS / (tastes / UNITS).sum(1, keepdim=True)


def climb(noise=0.0):
    reward, responses, prompts, new = planted(noise)
    unit = learned_rewards(reward, responses, prompts.train)
    found = portfolios(unit, 4, reward.weights, draws.generator(1), grid=paper_grid(3, 0.4, 0.05))
    return ladder(reward, responses, prompts, in_units(new), new, found)


def test_what_the_best_candidate_is_worth_is_that_of_a_loop():
    responses = toy_responses()
    tastes, rows = random_points(5, 3, draws.generator(0)), responses.candidates
    found = (given(responses.traits, tastes, responses.traits, responses.prompt) * tastes).sum(1)
    utility = responses.traits @ tastes.T
    loop = [sum(float(utility[r, u].max()) for r in rows) / len(rows) for u in range(5)]
    assert found.tolist() == pytest.approx(loop)


def test_nobody_gets_more_than_their_own_policy_by_their_true_taste():
    found = climb(noise=0.5)
    for rung, worth in found.items():
        assert (worth <= found[BEST] + 1e-12).all(), rung
    assert found[BASE].mean() < found[OWN].mean() < found[BEST].mean()


def test_who_is_known_exactly_loses_only_by_the_tails_that_were_drawn_in():
    found = climb()
    assert ((found[BEST] - found[OWN]) / (found[BEST] - found[BASE])).mean() < 0.02


def test_a_fitted_reward_of_other_embeddings_is_refused():
    reward, responses, prompts, _ = planted()
    with pytest.raises(ValueError, match="features"):
        learned_rewards(
            LowRankReward.from_weights(reward.basis[:-1], reward.weights), responses, prompts.train
        )
