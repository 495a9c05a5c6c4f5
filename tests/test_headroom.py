"""Headroom: the closed forms are scikit-learn's, and planted groups are seen where they are."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from worlds import normal, random

from lore_core.evaluation.block_ridge import RIDGES, features, level, predict
from lore_core.evaluation.headroom import headroom

BLOCK = torch.tensor([0] * 30 + [2] * 3 + [3] * 9 + [5])  # blocks 1 and 4 are nobody's
X, Y = normal(43, 8), normal(43, 2, seed=1)


def oracle(block, ridge):
    rows = (block == BLOCK).numpy()
    return Ridge(ridge, fit_intercept=False), X[rows].numpy(), Y[rows].numpy()


@pytest.mark.parametrize("ridge", [0.01, 1.0, 30.0])
def test_each_block_has_scikit_learns_weights(ridge):
    found = level(X, Y, BLOCK, [ridge])
    assert found.ridge == ridge and (found.weights[[1, 4]] == 0).all()
    for block in (0, 2, 3, 5):
        model, x, y = oracle(block, ridge)
        np.testing.assert_allclose(found.weights[block].T, model.fit(x, y).coef_, atol=1e-6)


def test_what_is_left_over_comes_from_fits_without_the_item():
    found = level(X, Y, BLOCK, [0.5]).left_out
    for block in (0, 2, 3):
        model, x, y = oracle(block, 0.5)
        away = y - cross_val_predict(model, x, y, cv=LeaveOneOut())
        np.testing.assert_allclose(found[BLOCK == block], away, atol=1e-6)
    # Alone in its block: without it there is nothing.
    torch.testing.assert_close(found[-1], Y[-1])


def test_the_ridge_with_the_least_leave_one_out_error_is_taken():
    errors = [float(level(X, Y, BLOCK, [ridge]).left_out.square().sum()) for ridge in RIDGES]
    assert level(X, Y, BLOCK).ridge == pytest.approx(RIDGES[int(np.argmin(errors))])


def test_predictions_add_up_over_levels_and_an_unseen_block_adds_nothing():
    everybody = torch.zeros_like(BLOCK)
    first = level(X, Y, everybody, [1.0])
    second = level(X, first.left_out, BLOCK, [2.0])
    asked, x = torch.tensor([3, 1, 9]), normal(3, 8, seed=5)
    found = predict(x, [first, second], [torch.zeros(3).long(), asked])
    expected = x @ first.weights[0]
    expected[0] += x[0] @ second.weights[3]
    torch.testing.assert_close(found, expected)


def test_features_do_not_depend_on_scale_and_hold_a_constant():
    train = torch.arange(43) < 20
    one = features(X, train)
    stretched = features(X * torch.arange(1, 9) + 5, train)
    torch.testing.assert_close(one, stretched)
    torch.testing.assert_close(one[train, :8].square().sum(1).mean(), torch.tensor(1.0).double())
    assert (one[:, 8] == 1).all()
    assert features(torch.ones(4, 2), torch.ones(4).bool())[:, :2].eq(0).all()


def world(shared, n_users=60, seed=0, noise=0.3):
    """Users of three groups whose tastes are `shared` parts group, and the rest their own."""
    draw = random(seed)
    group = torch.arange(n_users) % 3
    group_taste, own = torch.randn(3, 12, generator=draw), torch.randn(n_users, 12, generator=draw)
    taste = shared**0.5 * group_taste[group] + (1 - shared) ** 0.5 * own
    n = torch.tensor([3, 8, 12, 25, 50]).repeat_interleave(n_users // 5)
    n = n[torch.randperm(n_users, generator=draw)]
    everybody = torch.arange(n_users)
    user = torch.cat([everybody.repeat_interleave(n), everybody.repeat_interleave(20)])
    state = torch.randn(len(user), 12, generator=draw)
    utility = (state * taste[user]).sum(1) / 12**0.5
    utility += noise * torch.randn(len(user), generator=draw)
    cuts = utility.quantile(torch.tensor([0.2, 0.4, 0.6, 0.8]))
    train = torch.arange(len(user)) < n.sum()
    rating = torch.bucketize(utility, cuts) + 1
    return [state, rating.double(), user, group, train, ~train, n_users, 3]


def table(given, **options):
    rows = headroom(*given, random(0), repeats=200, **options)
    return rows.set_index(["history", "level"])


def test_planted_groups_help_and_most_where_there_is_little_history():
    rows = table(world(shared=0.7))
    both = rows.xs("+ group + user", level="level")
    assert rows.gain_low["all", "+ group"] > 0.1
    assert both.gain_low["1–4"] > 0.1 and both.gain["1–4"] > 2 * both.gain["33–64"]
    assert rows["mean"]["33–64", "+ user"] < rows["mean"]["1–4", "+ user"] - 0.2
    assert rows["mean"]["all", "+ group + user"] < rows["mean"]["all", "+ group"]


def test_groups_that_share_nothing_do_not_help():
    rows = table(world(shared=0.0))
    assert abs(rows.gain["all", "+ group + user"]) < 0.05
    assert rows.gain_low["all", "+ user"] > 0.1


def test_the_population_level_is_worked_out_with_scikit_learn():
    given = world(shared=0.7)
    state, target, user, _, train, test, *_ = given
    rows = table(given, ridges=[3.0])
    x = features(state, train).numpy()
    seen, asked = train.numpy(), test.numpy()
    y = target.numpy()
    model = Ridge(3.0, fit_intercept=False).fit(x[seen], y[seen] - y[seen].mean())
    error = np.abs((model.predict(x[asked]) + y[seen].mean()).clip(1, 5) - y[asked])
    means = [error[user[test].numpy() == one].mean() for one in range(60)]
    assert rows["mean"]["all", "population"] == pytest.approx(np.mean(means), abs=1e-6)
    assert rows.metric.eq("MAE").all() and rows.n_users["all", "population"] == 60


def test_classes_are_told_by_one_against_all():
    given = world(shared=0.7)
    classes = (given[1] > 3).long() + 2 * (given[0][:, 0] > 0).long()
    given[1] = torch.where(classes > 2, 2, classes)
    rows = table(given, ordered=False, ridges=[3.0])
    state, target, user, _, train, test, *_ = given
    x, y = features(state, train).numpy(), np.eye(3)[target.numpy()]
    seen, asked = train.numpy(), test.numpy()
    model = Ridge(3.0, fit_intercept=False).fit(x[seen], y[seen] - y[seen].mean(0))
    hit = (model.predict(x[asked]) + y[seen].mean(0)).argmax(1) == target.numpy()[asked]
    means = [hit[user[test].numpy() == one].mean() for one in range(60)]
    assert rows["mean"]["all", "population"] == pytest.approx(np.mean(means), abs=1e-6)
    assert rows.metric.eq("accuracy").all() and rows.gain_low["all", "+ group"] > 0


def test_bands_hold_the_users_with_such_histories_and_test_items():
    given = world(shared=0.5)
    rows = table(given)
    assert rows.n_users.xs("population", level="level").to_dict() == {
        "all": 60, "1–4": 12, "5–8": 12, "9–16": 12, "17–32": 12, "33–64": 12
    }  # fmt: skip
    given[5] = given[5] & (given[2] >= 6)  # six users have no test items
    assert table(given).n_users["all", "population"] == 54
    assert set(table(given, bands=[0, 30]).index.get_level_values(0)) == {"all", "1–30"}


def test_test_targets_have_no_part_in_the_fit_and_one_seed_repeats():
    given = world(shared=0.5)
    first = table(given)
    assert first.equals(table(given))
    turned = [*given]
    turned[1] = torch.where(given[5], 6 - given[1], given[1])
    one_user = (given[2] != 0) | given[4]  # the ratings of user 0's test items alone
    turned[1] = torch.where(one_user, given[1], turned[1])
    again = table(turned)
    n = first["n_users"]["all", "population"]
    assert abs(first["mean"] - again["mean"])["all"].max() < 4 / n
