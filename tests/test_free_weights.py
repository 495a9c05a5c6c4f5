"""Free weights: what other solvers find, together and for new users, and what signs can say."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime, minimize
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import softplus
from worlds import normal, pairs, random, swapped, toy_pairs, toy_responses

from lore_core import Preferences, Responses, accuracy
from lore_core.methods import FreeWeights, FreeWeightsModel, LoRe
from lore_core.methods.free_weights import fit_jointly
from lore_core.methods.protocol import Given
from lore_core.simulation.planted import planted_responses

RIDGES = {"ridge_basis": 1e-3, "ridge_weights": 0.03}
METHOD = FreeWeights(2, **RIDGES)


def close(one, other, tolerance=1e-6):
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def joint(method=METHOD, train=None, validation=None, responses=None, **recipe):
    """Basis and weights after many more steps than a benchmark needs."""
    train = toy_pairs() if train is None else train
    given = Given(responses or toy_responses(), train, validation, 0, "cpu")
    patient = {"steps": 100, "tolerance": 0.0} | recipe
    return fit_jointly(given, method.rank, replace(method.recipe, **patient))


def fit(method=METHOD, train=None, **changes):
    train = toy_pairs() if train is None else train
    return replace(method, **changes).fit(toy_responses(), train, device="cpu")


def gaps_of(some, responses=None):
    """(B, d) differences of embeddings."""
    embeddings = (responses or toy_responses()).embeddings
    return (embeddings[some.chosen] - embeddings[some.rejected]).numpy()


def unit(gaps):
    """The pairs' own unit."""
    return float(np.sqrt((gaps**2).sum(1).mean()))


def written_out(flat, gaps, user, rank, ridge_basis, ridge_weights):
    """The joint objective of a basis in the pairs' unit and the weights, one after the other."""
    d = gaps.shape[1]
    basis, weights = flat[: d * rank].reshape(d, rank), flat[d * rank :].reshape(-1, rank)
    margins = (gaps / unit(gaps) @ basis * weights[user]).sum(1)
    ridge = ridge_basis * (basis**2).sum() + ridge_weights * (weights**2).sum(1).mean()
    return np.logaddexp(0, -margins).mean() + ridge


def some_model(prior=1.0, rank=3):
    """A basis, five users and a Gaussian from nowhere; the Gaussian is not that of the users."""
    root = normal(rank, rank, seed=2)
    return FreeWeightsModel(
        basis=normal(6, rank),
        weights=normal(5, rank, seed=1),
        mean=normal(rank, seed=3),
        covariance=root @ root.T + 0.1 * torch.eye(rank),
        prior=prior,
    )


def new_user(w, gaps, model):
    """What a new user's weights minimise, written out."""
    away = w - model.mean.numpy()
    pull = away @ np.linalg.solve(model.covariance.numpy(), away)
    return np.logaddexp(0, -gaps @ model.basis.numpy() @ w).sum() + model.prior / 2 * pull


def noise():
    """The toy world, training pairs, other pairs."""
    return toy_responses(), toy_pairs(), toy_pairs(seed=1)


@cache
def two_camps():
    """20 users who like what 20 others dislike: the world, training pairs, other pairs."""
    responses, _ = planted_responses(60, 4, 6, 1, random(0))
    some = toy_pairs(n_responses=240, n_users=20, n_pairs=20 * 40)
    taste = responses.known_traits[:, 0]
    likes = taste[some.chosen] > taste[some.rejected]
    right = Preferences(
        some.user,
        torch.where(likes, some.chosen, some.rejected),
        torch.where(likes, some.rejected, some.chosen),
        20,
    )
    wrong = swapped(right)
    everybody = Preferences(
        torch.cat([right.user, wrong.user + 20]),
        torch.cat([right.chosen, wrong.chosen]),
        torch.cat([right.rejected, wrong.rejected]),
        40,
    )
    asked = torch.arange(len(everybody)) % 800 < 600
    return responses, everybody.select(asked), everybody.select(~asked)


# --- seen users --------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_at_the_end_of_training_there_is_no_slope(rank):
    basis, weights = joint(replace(METHOD, rank=rank))
    gaps, user = gaps_of(toy_pairs()), toy_pairs().user.numpy()
    arguments = gaps, user, rank, METHOD.ridge_basis, METHOD.ridge_weights
    flat = np.concatenate([(basis * unit(gaps)).numpy().ravel(), weights.numpy().ravel()])
    assert approx_fprime(flat, written_out, 1e-6, *arguments) == pytest.approx(0, abs=1e-4)
    assert written_out(flat, *arguments) < 0.65 < written_out(flat * 0, *arguments)


@pytest.mark.parametrize("ridge_basis", [1e-5, 1e-3])
def test_with_one_user_and_one_reward_it_is_scikit_learns_logistic_regression(ridge_basis):
    """At best θ = V w pays 2 √(ab) ||θ||; at θ that has the slope of √(ab) / ||θ|| times ||.||²."""
    some = toy_pairs(n_users=1)
    method = FreeWeights(1, ridge_basis=ridge_basis, ridge_weights=0.03)
    basis, weights = joint(method, some)
    gaps = gaps_of(some) / unit(gaps_of(some))
    found = (basis @ weights[0]).numpy() * unit(gaps_of(some))
    ridge = 2 * np.sqrt(ridge_basis * 0.03) / np.linalg.norm(found)
    sign = np.where(np.arange(len(gaps)) % 2, 1, -1)
    oracle = LogisticRegression(
        C=1 / (ridge * len(gaps)), fit_intercept=False, tol=1e-10, max_iter=10_000
    )
    oracle.fit(gaps * sign[:, None], sign)
    assert found == pytest.approx(oracle.coef_[0], abs=5e-3)


def test_only_the_product_of_the_ridges_matters():
    one, other = (
        joint(FreeWeights(2, ridge_basis=a, ridge_weights=b))
        for a, b in ((1e-3, 0.1), (1e-2, 0.01))
    )
    close(one[0] @ one[1].T, other[0] @ other[1].T, 1e-3)
    assert one[1].norm() < 0.5 * other[1].norm()


def test_a_strong_ridge_leaves_nobody_an_opinion():
    model = fit(ridge_basis=1e3, ridge_weights=1e3)
    assert model.margins(toy_responses(), toy_pairs()).abs().max() < 1e-3
    assert model.adapt(toy_responses(), toy_pairs()).isfinite().all()


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_the_unit_of_the_embeddings_does_not_matter(size):
    sized = replace(toy_responses(), embeddings=size * toy_responses().embeddings)
    one, other = fit(), METHOD.fit(sized, toy_pairs(), device="cpu")
    close(other.margins(sized, toy_pairs()), one.margins(toy_responses(), toy_pairs()), 1e-4)
    close(other.adapt(sized, toy_pairs()), one.adapt(toy_responses(), toy_pairs()), 1e-4)


@pytest.mark.parametrize("world", [noise, two_camps], ids=["noise", "two camps"])
def test_validation_pairs_say_after_which_step_to_stop(world):
    """Random pairs teach nothing, so the first step is the best; two camps are worth some more."""
    weak = FreeWeights(1, ridge_basis=1e-6, ridge_weights=1e-3)
    responses, train, asked = world()

    def loss(**recipe):
        basis, weights = joint(weak, train, responses=responses, **recipe)
        gaps = torch.from_numpy(gaps_of(asked, responses))
        return float(softplus(-(gaps @ basis * weights[asked.user]).sum(1)).mean())

    after = [loss(steps=n) for n in range(1, 7)]
    assert loss(validation=asked, steps=6, patience=6) == pytest.approx(min(after))
    assert (after.index(min(after)) == 0) == (world is noise) and max(after) > min(after) + 0.1


def test_new_users_are_drawn_to_the_mean_and_covariance_of_those_with_pairs():
    some = toy_pairs()
    model = fit(train=some.select(some.user != 3))
    there = model.weights[[0, 1, 2, 4]]
    close(model.mean, there.mean(0))
    assert torch.equal(model.weights[3], model.mean)
    expected = torch.from_numpy(np.cov(there.numpy(), rowvar=False, bias=True))
    close(model.covariance, expected, 1e-5 * float(there.square().mean()))
    close(model.crowd, model.mean)


# --- new users ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [0.1, 1.0, 10.0])
def test_a_new_users_weights_are_what_a_general_solver_finds(prior):
    model, some = some_model(prior), toy_pairs()
    found = model.adapt(toy_responses(), some).numpy()
    for user in range(5):
        arguments = gaps_of(some.select(some.user == user)), model
        oracle = minimize(new_user, np.zeros(3), arguments, options={"gtol": 1e-9})
        assert found[user] == pytest.approx(oracle.x, abs=1e-4)


def test_one_pair_worked_by_hand():
    """w = μ + σ² g t with prior t = 1 / (1 + exp(g w)): for μ = 0, all else 1, w (1 + e^w) = 1."""
    line = Responses(torch.tensor([[0.0], [1.0]]).double(), [0, 0])
    one = torch.ones(1, 1).double()
    model = FreeWeightsModel(basis=one, weights=one, mean=one[0] * 0, covariance=one, prior=1.0)
    w = float(model.adapt(line, pairs((0, 1, 0))))
    assert w * (1 + np.exp(w)) == pytest.approx(1)


def test_many_pairs_pull_away_from_the_mean_and_none_leaves_it():
    model, few = some_model(), pairs((0, 3, 1), (1, 3, 1), n_users=3)
    many = pairs((0, 3, 1), *[(1, 3, 1)] * 50, n_users=3)
    away = [(model.adapt(toy_responses(), some) - model.mean).norm(dim=1) for some in (few, many)]
    close(away[0][0], away[0][1])
    close(away[0][0], away[1][0])
    assert away[1][1] > 2 * away[1][0] > 0
    assert away[0][2] == away[1][2] == 0


def test_a_strong_prior_leaves_the_mean():
    model = some_model(1e9)
    close(model.adapt(toy_responses(), toy_pairs()), model.mean.expand(5, -1), 1e-5)


def test_another_basis_of_the_same_rewards_gives_new_users_the_same_rewards():
    model, turn = some_model(), normal(3, 3, seed=5)
    back = torch.linalg.inv(turn)
    other = FreeWeightsModel(
        basis=model.basis @ turn,
        weights=model.weights @ back.T,
        mean=back @ model.mean,
        covariance=back @ model.covariance @ back.T,
        prior=1.0,
    )
    some = toy_pairs()
    one, same = (
        m.margins(toy_responses(), some, m.adapt(toy_responses(), some)) for m in (model, other)
    )
    close(one, same)


@pytest.mark.parametrize("user", range(5))
def test_users_do_not_disturb_each_other(user):
    model, some = some_model(), toy_pairs()
    alone = model.adapt(toy_responses(), some.select(some.user == user))
    close(alone[user], model.adapt(toy_responses(), some)[user])


@pytest.mark.parametrize("n_users", [1, 2])
def test_where_no_two_seen_users_differ_new_ones_do_not_either(n_users):
    """Two users differ along one line, whatever the rank; one user along none."""
    model = fit(train=toy_pairs(n_users=n_users), rank=4)
    away = model.adapt(toy_responses(), toy_pairs()) - model.mean
    line = model.weights[0] - model.mean
    along = line / line.norm().clamp_min(1e-9)
    across = away - (away @ along)[:, None] * along
    assert across.norm(dim=1).max() < 0.01 * model.weights.norm(dim=1).max()
    assert (away.norm(dim=1).max() > 0.1) == (n_users == 2)


def test_single_precision_is_enough():
    single = replace(toy_responses(), embeddings=toy_responses().embeddings.float())
    model = METHOD.fit(single, toy_pairs(), device="cpu")
    new = model.adapt(single, toy_pairs())
    assert new.dtype == model.weights.dtype == torch.float32
    close(new.double(), fit().adapt(toy_responses(), toy_pairs()), 1e-2)


# --- signs -------------------------------------------------------------------------------------


def test_one_reward_serves_two_camps_if_weights_have_signs():
    """On the simplex K = 1 is one direction for both: right for one camp, wrong for the other."""
    responses, train, asked = two_camps()
    free = FreeWeights(1, **RIDGES).fit(responses, train, device="cpu")
    simplex = LoRe(1).fit(responses, train, device="cpu")
    assert float(accuracy(free, responses, asked).mean()) > 0.9
    assert float(accuracy(simplex, responses, asked).mean()) == pytest.approx(0.5, abs=0.01)
    signs = free.weights[:, 0].sign()
    assert (signs[:20] == -signs[20:]).all() and len(signs[:20].unique()) == 1


def test_new_users_of_two_camps_are_told_apart_by_a_few_pairs():
    responses, train, asked = two_camps()
    free = FreeWeights(1, **RIDGES).fit(responses, train, device="cpu")
    new = free.adapt(responses, asked.subsample(3, random(0)))
    assert float(accuracy(free, responses, train, new).mean()) > 0.9
