"""One model per user: what other solvers find, block by block, pulled where it should be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from worlds import normal, pairs, toy_pairs, toy_responses

from lore_core import Responses, accuracy
from lore_core.methods import PerUser, bradley_terry, ridge_logistic
from lore_core.scale import pair_scale

RIDGES = pytest.mark.parametrize("ridge", [0.01, 1.0, 100.0])


def close(one, other, tolerance=1e-6):
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def directions(shared=None, ridge=1.0, some=None, responses=None):
    responses = responses or toy_responses()
    shared = torch.zeros(responses.embeddings.shape[1]).double() if shared is None else shared
    return ridge_logistic.ridge_logistic(
        responses, toy_pairs() if some is None else some, shared, ridge
    )


def gaps_of(user, some=None):
    """(b, d) differences of one user's pairs."""
    some, embeddings = some or toy_pairs(), toy_responses().embeddings
    mine = some.user == user
    return (embeddings[some.chosen[mine]] - embeddings[some.rejected[mine]]).numpy()


def objective(v, gaps, shared, ridge):
    return np.logaddexp(0, -gaps @ v).sum() + ridge / 2 * ((v - shared) ** 2).sum()


def slope(v, gaps, shared, ridge):
    return -gaps.T @ expit(-gaps @ v) + ridge * (v - shared)


@RIDGES
def test_drawn_to_zero_it_is_scikit_learns_logistic_regression(ridge):
    """Half of the pairs are shown the other way round, labelled as such."""
    found = directions(ridge=ridge).numpy()
    for user in range(5):
        gaps = gaps_of(user)
        sign = np.where(np.arange(len(gaps)) % 2, 1, -1)
        oracle = LogisticRegression(C=1 / ridge, fit_intercept=False, tol=1e-10, max_iter=10_000)
        oracle.fit(gaps * sign[:, None], sign)
        assert found[user] == pytest.approx(oracle.coef_[0], abs=1e-4)


@RIDGES
def test_drawn_elsewhere_it_is_what_a_general_solver_finds_among_all_directions(ridge):
    shared = 2 * normal(6)
    found = directions(shared, ridge).numpy()
    for user in range(5):
        arguments = gaps_of(user), shared.numpy(), ridge
        oracle = minimize(objective, np.zeros(6), arguments, jac=slope, options={"gtol": 1e-9})
        assert objective(found[user], *arguments) <= oracle.fun + 1e-9
        assert found[user] == pytest.approx(oracle.x, abs=1e-5)


@RIDGES
@pytest.mark.parametrize("size", [0.0, 1.0, 30.0])
def test_at_the_solution_there_is_no_slope(ridge, size):
    shared = size * normal(6)
    found = directions(shared, ridge).numpy()
    for user in range(5):
        left = slope(found[user], gaps_of(user), shared.numpy(), ridge)
        assert left == pytest.approx(0, abs=1e-6)


def test_contradictory_and_repeated_pairs_are_no_accident():
    some = pairs((0, 1, 2), (0, 2, 1), (0, 1, 2), (0, 1, 2), (1, 3, 4), (1, 4, 3))
    found = directions(some=some, ridge=0.01).numpy()
    assert slope(found[0], gaps_of(0, some), 0.0, 0.01) == pytest.approx(0, abs=1e-6)
    assert found[1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_embeddings_of_any_size_are_solved(size):
    responses, some = Responses(size * toy_responses().embeddings, [0] * 60), toy_pairs(n_pairs=200)
    found = directions(some=some, ridge=1e-3, responses=responses).numpy()
    for user in range(5):
        arguments = size * gaps_of(user, some), np.zeros(6), 1e-3
        oracle = minimize(objective, found[user], arguments, jac=slope, options={"gtol": 1e-12})
        assert objective(found[user], *arguments) <= oracle.fun + 1e-9


def test_one_pair_worked_by_hand():
    """v = t x with t ridge = 1 / (1 + exp(t x²)): for x = 1 and ridge 1/2, t(1 + e^t) = 2."""
    line = Responses(torch.tensor([[0.0], [1.0]]).double(), [0, 0])
    t = float(directions(some=pairs((0, 1, 0)), responses=line, ridge=0.5))
    assert t * (1 + np.exp(t)) == pytest.approx(2)


def test_a_user_without_pairs_gets_what_is_shared():
    some, shared = toy_pairs(), normal(6)
    found = directions(shared, some=some.select(some.user != 3))
    assert torch.equal(found[3], shared)
    assert (found[[0, 1, 2, 4]] - shared).norm(dim=1).min() > 0.1
    assert torch.equal(directions(shared, some=pairs(n_users=2)), shared.expand(2, -1))


@pytest.mark.parametrize("user", range(5))
def test_users_do_not_disturb_each_other(user):
    """Users of one to five pairs: the direction of one depends on their own pairs only."""
    some = toy_pairs().select(torch.arange(60) // 5 < torch.arange(60) % 5 + 1)
    assert some.counts.tolist() == [1, 2, 3, 4, 5]
    close(directions(some=some.select(some.user == user))[user], directions(some=some)[user])


@pytest.mark.parametrize("cells", [1, 20, 1000])
def test_blocks_do_not_matter(monkeypatch, cells):
    keep = torch.arange(60) < 47
    some = toy_pairs().select(keep & (toy_pairs().user != 1))
    before = directions(normal(6), some=some)
    monkeypatch.setattr(ridge_logistic, "CELLS", cells)
    close(directions(normal(6), some=some), before)


@pytest.mark.parametrize("ridge", [0.0, -1.0, float("nan")])
def test_a_ridge_is_needed(ridge):
    with pytest.raises(ValueError, match=f"ridge is {ridge}, expected a number above 0"):
        PerUser(ridge).fit(toy_responses(), toy_pairs(), device="cpu")


def test_rows_have_to_exist():
    with pytest.raises(ValueError, match="points to response 60, but there are 60"):
        directions(some=pairs((0, 60, 1)))


def test_a_weak_ridge_explains_everything_and_a_strong_one_leaves_what_is_shared():
    common = bradley_terry().fit(toy_responses(), toy_pairs(), device="cpu")
    weak, strong = (
        PerUser(ridge, bradley_terry()).fit(toy_responses(), toy_pairs(), device="cpu")
        for ridge in (1e-3, 1e6)
    )
    close(strong.personal, common.reward.basis[:, 0].expand(5, -1), 1e-3)
    close(strong.shared, common.reward.basis[:, 0])
    assert torch.equal(weak.crowd, weak.shared)
    scores = [accuracy(model, toy_responses(), toy_pairs()).mean() for model in (common, weak)]
    assert scores[0] < scores[1]


def test_alone_a_user_is_drawn_to_zero():
    model = PerUser(1e6).fit(toy_responses(), toy_pairs(), device="cpu")
    assert model.personal.abs().max() < 1e-3 and (model.shared == 0).all()


def test_new_users_who_are_drawn_to_the_shared_direction_are_fitted_as_seen_ones_were():
    model = PerUser(0.3, bradley_terry(), centre="shared").fit(
        toy_responses(), toy_pairs(), device="cpu"
    )
    assert torch.equal(model.adapt(toy_responses(), toy_pairs()), model.personal)
    unit = pair_scale(toy_responses(), toy_pairs())
    close(model.personal, directions(model.shared, 0.3 * unit**2))


def test_the_unit_of_the_embeddings_changes_no_margin():
    asked = toy_pairs()
    small = toy_responses()
    large = replace(small, embeddings=30 * small.embeddings)
    one, other = (PerUser(0.3).fit(rows, asked, device="cpu") for rows in (small, large))
    close(one.margins(small, asked, one.personal), other.margins(large, asked, other.personal))


def posterior_by_hand(model, user):
    """v + Σ_i (p_i - 1/N) v_i, p_i ∝ Π_b σ(x_b · v_i), written out for one user."""
    some, embeddings = toy_pairs(), toy_responses().embeddings.numpy()
    mine = (some.user == user).numpy()
    gaps = embeddings[some.chosen.numpy()[mine]] - embeddings[some.rejected.numpy()[mine]]
    seen = model.directions.numpy()
    likelihood = (1 / (1 + np.exp(-gaps @ seen.T))).prod(0)
    return model.shared.numpy() + (likelihood / likelihood.sum() - 1 / len(seen)) @ seen


def test_a_strong_ridge_leaves_a_new_user_with_those_who_explain_the_pairs():
    fitted = PerUser(0.3, bradley_terry()).fit(toy_responses(), toy_pairs(), device="cpu")
    strong = replace(fitted, ridge=1e9)
    found = strong.adapt(toy_responses(), toy_pairs()).numpy()
    for user in range(5):
        assert found[user] == pytest.approx(posterior_by_hand(fitted, user), abs=1e-6)
    assert abs(found - fitted.shared.numpy()).max() > 0.1


def test_somebody_who_has_said_nothing_stays_at_the_shared_direction():
    model = PerUser(0.3, bradley_terry()).fit(toy_responses(), toy_pairs(), device="cpu")
    some = toy_pairs()
    found = model.adapt(toy_responses(), some.select(some.user != 3))
    assert torch.equal(found[3], model.shared)


def test_an_unknown_centre_is_refused():
    with pytest.raises(ValueError, match="centre is 'mean', expected one of shared, posterior"):
        PerUser(centre="mean")
