"""Policies in closed form: against loops, against the log-sum-exp, and in their limits."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from worlds import properties

from lore_core.palm import optimum, palm, probabilities, tilt, unit_rewards, values
from lore_core.palm.coverage import random_points
from lore_core.palm.portfolio import Portfolio
from lore_core.palm.rewards import UnitRewards, rescaled
from lore_core.tools import draws

many = settings(properties, max_examples=30)
BETAS = [0.0, 0.02, 0.3, 5.0]


def world(n_prompts=5, n_candidates=3, n_rewards=2, seed=0):
    """Rewards and prompts of a random world; the rows of a prompt do not lie together."""
    draw = draws.generator(seed)
    prompt = torch.arange(n_prompts).repeat(n_candidates)
    return draws.uniform(draw, n_prompts * n_candidates, n_rewards), prompt


def weights(n, n_rewards=2, seed=1):
    return random_points(n, n_rewards, draws.generator(seed))


def by_loops(rewards, prompt, w, v, beta):
    """f_v(π_w), term by term."""
    total, prompts = 0.0, prompt.unique()
    for x in prompts:
        rows = (prompt == x).nonzero().flatten()
        odds = torch.stack([(rewards[y] @ w / beta).exp() / len(rows) for y in rows])
        pi = odds / odds.sum()
        for p, y in zip(pi, rows, strict=True):
            total += p * (rewards[y] @ v) - beta * p * (p * len(rows)).log()
    return total / len(prompts)


def test_the_value_of_every_policy_for_every_user_is_that_of_loops():
    rewards, prompt = world()
    tuned, users = weights(4), weights(3, seed=2)
    found = values(tilt(rewards, prompt, tuned, 0.3), users)
    for policy, w in enumerate(tuned):
        for user, v in enumerate(users):
            expected = by_loops(rewards, prompt, w, v, 0.3)
            assert found[policy, user] == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("beta", BETAS)
def test_ones_own_policy_is_worth_the_log_sum_exp(beta):
    rewards, prompt = world(30, 8, 3)
    users = weights(20, 3)
    own = values(tilt(rewards, prompt, users, beta), users).diagonal()
    torch.testing.assert_close(own, optimum(rewards, prompt, users, beta), atol=1e-10, rtol=0)


def test_a_tiny_penalty_is_best_of_n_and_a_large_one_the_base():
    rewards, prompt = world(20, 4, 3)
    users = weights(6, 3)
    best = tilt(rewards, prompt, users, 0.0)
    torch.testing.assert_close(
        tilt(rewards, prompt, users, 1e-6).reward, best.reward, atol=1e-4, rtol=0
    )
    by_hand = (rewards @ users.T).view(4, 20, 6).amax(0).mean(0)
    torch.testing.assert_close(values(best, users).diagonal(), by_hand)
    assert best.cost.abs().max() == 0
    flat = tilt(rewards, prompt, users, 1e7)
    torch.testing.assert_close(flat.reward, rewards.mean(0).expand(6, -1), atol=1e-6, rtol=0)


def test_equal_candidates_share_equally():
    rewards = torch.tensor([[0.5], [0.5], [0.1], [0.2], [0.9], [0.3]], dtype=torch.float64)
    found = probabilities(rewards, torch.tensor([0, 0, 0, 1, 1, 1]), torch.ones(1, 1), 0.0)
    assert found[0].tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize("beta", BETAS)
def test_ones_own_policy_is_the_best_of_a_thousand_random_ones(beta):
    rewards, prompt = world(1, 6, 3)
    user = weights(1, 3)
    pi = random_points(1000, 6, draws.generator(3))
    cost = beta * (pi * (pi * 6).log()).sum(1)
    worth = pi @ rewards @ user[0] - cost
    assert worth.max() <= optimum(rewards, prompt, user, beta)[0] + 1e-12


@pytest.mark.parametrize("beta", BETAS)
def test_the_optimum_is_convex_in_the_weights(beta):
    rewards, prompt = world(10, 5, 4)
    one, other = weights(50, 4, seed=5), weights(50, 4, seed=6)
    ends = [optimum(rewards, prompt, w, beta) for w in (one, other)]
    middle = optimum(rewards, prompt, (one + other) / 2, beta)
    assert (middle <= sum(ends) / 2 + 1e-12).all()


@given(st.integers(0, 10**6), st.sampled_from(BETAS))
@many
def test_what_a_policy_is_worth_does_not_depend_on_the_order_of_rows(seed, beta):
    rewards, prompt = world(6, 4, 3, seed=seed)
    mixed = draws.order(draws.generator(seed), len(prompt))
    a, b = (tilt(rewards[o], prompt[o], weights(3, 3), beta) for o in (torch.arange(24), mixed))
    torch.testing.assert_close(a.reward, b.reward, atol=1e-12, rtol=0)
    torch.testing.assert_close(a.cost, b.cost, atol=1e-12, rtol=0)


def test_a_base_is_kept_to():
    rewards, prompt = world(2, 3, 2)
    base = torch.tensor(
        [0.2, 0.5, 0.8, 0.5, 0.0, 0.0], dtype=torch.float64
    )  # rows 0, 2, 4 and 1, 3, 5
    for beta in BETAS:
        found = probabilities(rewards, prompt, weights(1), beta, base=base)
        torch.testing.assert_close(found.sum(2), torch.ones(1, 2, dtype=torch.float64))
        assert (found[0, :, 2] == 0).all(), "what the base never says is never said"
        own = values(tilt(rewards, prompt, weights(5), beta, base), weights(5)).diagonal()
        expected = optimum(rewards, prompt, weights(5), beta, base)
        torch.testing.assert_close(own, expected, atol=1e-10, rtol=0)


def test_probabilities_of_some_prompts_are_those_of_all():
    rewards, prompt = world(5, 3, 2)
    everywhere = probabilities(rewards, prompt, weights(4), 0.1)
    some = probabilities(rewards, prompt, weights(4), 0.1, prompts=torch.tensor([3, 1]))
    assert torch.equal(some, everywhere[:, [3, 1]])


def test_many_policies_are_computed_in_parts_with_the_same_result():
    rewards, prompt = world(300, 8, 2)
    many = weights(1000)
    whole, alone = tilt(rewards, prompt, many, 0.1), tilt(rewards, prompt, many[700:701], 0.1)
    torch.testing.assert_close(whole[[700]].reward, alone.reward, atol=1e-12, rtol=0)


# Rewards between 0 and 1.


@given(st.integers(0, 10**6))
@many
def test_rescaled_weights_order_responses_as_before(seed):
    raw = draws.normal(draws.generator(seed), 40, 3) * torch.tensor([0.01, 1.0, 30.0]) - 5
    users = weights(4, 3, seed=seed)
    unit = unit_rewards(raw, torch.arange(10).repeat(4), clip=(0.05, 0.95))
    clipped = unit.values * unit.scale + unit.shift
    new = unit.values @ rescaled(users, unit.scale).T
    old = clipped @ users.T
    factor = (users * unit.scale).sum(1)
    differences = (old[:, None] - old[None]) / factor - (new[:, None] - new[None])
    assert differences.abs().max() < 1e-12


def test_other_responses_come_onto_the_same_scale():
    raw = draws.normal(draws.generator(0), 40, 2)
    unit = unit_rewards(raw, torch.arange(40), clip=(0, 1))
    assert unit.values.min() == 0 and unit.values.max() == 1
    far = unit.again(torch.tensor([[100.0, -100.0]]), torch.tensor([7]))
    assert far.values.tolist() == [[1.0, 0.0]]
    torch.testing.assert_close(unit.again(raw, torch.arange(40)).values, unit.values)


def test_a_portfolio_over_rescaled_rewards_serves_as_one_over_the_rewards_before():
    """The same portfolio, asked with LoRe's weights, or with those over the unit rewards."""
    raw = draws.normal(draws.generator(0), 400, 2) * torch.tensor([1.0, 7.0])
    unit = unit_rewards(raw, torch.arange(100).repeat(4))
    portfolio = palm(unit, n=3)
    users = weights(50)
    plain = Portfolio.of(portfolio.policies)
    assert torch.equal(portfolio.assign(users), plain.assign(rescaled(users, unit.scale)))


BAD = {
    "a column is constant": (
        lambda r, p: unit_rewards(r * torch.tensor([1.0, 0.0]), p),
        "reward 1 is the same",
    ),
    "and its name is said": (
        lambda r, p: unit_rewards(r * torch.tensor([1.0, 0.0]), p, names=("lists", "judge")),
        "judge",
    ),
    "only tails vary": (
        lambda r, p: unit_rewards(torch.eye(len(r), 1, dtype=r.dtype), p, clip=(0.2, 0.8)),
        "tails",
    ),
    "clip is turned round": (lambda r, p: unit_rewards(r, p, clip=(0.9, 0.1)), "clip"),
    "rewards below 0": (lambda r, p: tilt(r - 1, p, weights(1), 0.1), "unit_rewards"),
    "NaN rewards": (lambda r, p: tilt(r / 0 * 0, p, weights(1), 0.1), "NaN"),
    "weights off the simplex": (lambda r, p: tilt(r, p, weights(1) * 2, 0.1), "simplex"),
    "weights with NaN": (lambda r, p: tilt(r, p, weights(1) * torch.nan, 0.1), "NaN"),
    "weights for another K": (lambda r, p: tilt(r, p, weights(1, 3), 0.1), "3 columns for 2"),
    "users for another K": (
        lambda r, p: values(tilt(r, p, weights(1), 0.1), weights(1, 3)),
        "3 columns",
    ),
    "negative beta": (lambda r, p: tilt(r, p, weights(1), -0.1), "beta"),
    "unequal candidates": (lambda r, p: tilt(r[:-1], p[:-1], weights(1), 0.1), "candidates each"),
    "a base that is none": (lambda r, p: tilt(r, p, weights(1), 0.1, torch.ones(len(p))), "base"),
    "prompts that are not there": (
        lambda r, p: probabilities(r, p, weights(1), 0.1, prompts=torch.tensor([9])),
        "prompts contains 9",
    ),
    "LoRe's basis of another size": (
        lambda r, p: unit_rewards(r, p).again(r[:, :1], p),
        "1 rewards",
    ),
    "values off the unit interval": (lambda r, p: UnitRewards(r * 2, p, r[0], r[0]), "0 to 1"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused(what):
    call, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        call(*world())
