"""A mixture of ridge regressions finds groups of users; adapters start where users differ."""

import math

import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import normalized_mutual_info_score

from lore_core.proper import informed, mixture
from lore_core.proper.mixture import Mixture, Moments
from lore_core.tools import draws

N, P = 30, 6


@pytest.fixture
def world():
    """Features, values, users and groups: three groups, each with a linear function of its own."""
    g = draws.generator(5)
    group = torch.arange(N) % 3
    user = torch.arange(N).repeat_interleave(12)
    x, truth = draws.normal(g, len(user), P), draws.normal(g, 3, P)
    y = (x * truth[group[user]]).sum(1, keepdim=True) + 0.3 * draws.normal(g, len(user), 1)
    return x, y, user, group


def test_a_weighted_ridge_regression_is_scikit_learns(world):
    x, y, user, _ = world
    shares = draws.uniform(draws.generator(1), N, 2)
    found = Moments.of(x, y, user, N).regressions(shares, ridge=3.0)
    for m in range(2):
        oracle = Ridge(alpha=3.0, fit_intercept=False).fit(x, y[:, 0], shares[user, m])
        assert found[m, :, 0].numpy() == pytest.approx(oracle.coef_, abs=1e-9)


def test_errors_from_sums_are_those_of_the_items(world):
    x, y, user, _ = world
    coefficients = draws.normal(draws.generator(2), 4, P, 1)
    found = Moments.of(x, y, user, N).errors(coefficients)
    by_item = (y - x @ coefficients).square().sum(-1)  # (4, n)
    assert torch.allclose(found, by_item.view(4, N, -1).sum(-1).T)


def test_a_posterior_worked_by_hand():
    # One item x = 1, y = 1. Group 0 says 1, group 1 says 0; variance 1/2, so the likelihoods are
    # 1 and e^-1; with sizes 1/4 and 3/4 the shares are as 1 to 3/e.
    one = Moments.of(torch.ones(1, 1), torch.ones(1, 1), torch.tensor([0]), 2)
    groups = Mixture(torch.tensor([[[1.0]], [[0.0]]]).double(), torch.tensor([0.25, 0.75]), 0.5)
    first = 1 / (1 + 3 / math.e)
    assert groups.posterior(one)[0].tolist() == pytest.approx([first, 1 - first])
    assert groups.posterior(one)[1].tolist() == pytest.approx([0.25, 0.75])  # who has no items


def test_em_finds_planted_groups(world):
    x, y, user, group = world
    moments = Moments.of(x, y, user, N)
    found = mixture.fit(moments, 3, 1.0, draws.generator(0))
    assert normalized_mutual_info_score(group, found.posterior(moments).argmax(1)) == 1


def test_each_round_of_em_is_at_least_as_likely(world):
    x, y, user, _ = world
    moments = Moments.of(x, y, user, N)
    shares = mixture.first(moments, 3, draws.generator(3))
    likelihoods = []
    for _ in range(15):
        step = mixture.maximised(moments, shares, ridge=1e-9)
        likelihoods.append(step.likelihood(moments))
        shares = step.posterior(moments)
    gains = torch.tensor(likelihoods).diff()
    assert (gains > -0.2).all() and gains.sum() > 10  # the prior's extra counts cost a little


def test_informed_directions_are_where_users_differ():
    # All inputs lie near one direction; users differ along another, and only there.
    g = draws.generator(7)
    user = torch.arange(20).repeat_interleave(10)
    x = draws.normal(g, 200, 8) + 20 * torch.eye(8)[0]
    sign = 1 - 2 * (torch.arange(20) % 2)
    residual = (x[:, 3] * sign[user])[:, None]
    found = informed.directions(x, residual, user, 20, r=2)
    assert found[0].abs().argmax() == 3 and abs(found[0, 3]) > 0.9 * found[0].norm()
    assert (found @ x.mean(0)).abs().max() < 1e-6
    assert (x @ found[0]).std() == pytest.approx(1, abs=0.01)


def test_a_user_without_items_wishes_nothing():
    assert not informed.user_wish(torch.zeros(0, 4), torch.zeros(0, 2)).any()
