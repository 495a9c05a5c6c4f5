"""New users' weights: the answer other solvers find, stable, and sane where there is no data."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import softmax
from worlds import (
    normal,
    pairs,
    planted,
    properties,
    relabelled,
    shuffled,
    toy_pairs,
    toy_responses,
)

from lore_core import LowRankReward, Recipe, Responses, accuracy, few_shot, fit_basis, fit_weights
from lore_core.evaluation.study import BLOCKS
from lore_core.recipes import CENTRES, FEW_SHOT, PAPER_FEW_SHOT, FewShot

NEWTON = FewShot(prior=1.0, centre="crowd")  # whatever the default is
RECIPES = {"newton": FEW_SHOT, "adam": FewShot(optimizer="adam"), "paper": PAPER_FEW_SHOT}
each_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


def toy_reward(rank=3, seed=5):
    return LowRankReward(normal(6, rank, seed=seed), normal(20, rank, seed=seed + 1))


def toy_weights(some=None, recipe=NEWTON, rank=3, **options):
    """Weights of random users on a random basis."""
    some = toy_pairs() if some is None else some
    return fit_weights(toy_reward(rank), toy_responses(), some, recipe, **options)


def close(one, other, tolerance=1e-6):
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def gaps_of(user, rank=3, temperature=1.0):
    """(b, K) differences of basis scores of one user's pairs, written out."""
    some, embeddings = toy_pairs(), toy_responses().embeddings
    mine = some.user == user
    differences = embeddings[some.chosen[mine]] - embeddings[some.rejected[mine]]
    return (differences @ toy_reward(rank).basis).numpy() / temperature


def crowd_of(rank=3):
    return toy_reward(rank).logits.softmax(1).mean(0).numpy()


def objective(weights, gaps, crowd, prior):
    """Σ log(1 + exp(-g · w)) + prior · KL(crowd || w)."""
    divergence = (crowd * np.log(crowd / weights)).sum()
    return np.logaddexp(0, -gaps @ weights).sum() + prior * divergence


# --- oracles ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [0.1, 1.0, 10.0])
def test_newton_finds_the_minimum_that_a_general_solver_finds(prior):
    weights = toy_weights(recipe=replace(NEWTON, prior=prior)).numpy()
    for user in range(5):
        arguments = gaps_of(user), crowd_of(), prior
        oracle = minimize(
            objective,
            np.full(3, 1 / 3),
            arguments,
            method="SLSQP",
            bounds=[(1e-9, 1)] * 3,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-14, "maxiter": 500},
        )
        assert oracle.success
        assert objective(weights[user], *arguments) <= oracle.fun + 1e-9
        assert weights[user] == pytest.approx(oracle.x, abs=1e-4)


def grid_values(first, gaps, crowd):
    """The objective with prior 1 at weights (w, 1 - w), for all w of a grid at once."""
    weights = np.stack([first, 1 - first])
    nll = np.logaddexp(0, -gaps @ weights).sum(0)
    return nll + (crowd[:, None] * np.log(crowd[:, None] / weights)).sum(0)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0, 10.0])
def test_newton_finds_the_best_point_of_a_fine_grid(temperature):
    weights = toy_weights(recipe=replace(NEWTON, temperature=temperature), rank=2).numpy()
    first = np.linspace(1e-4, 1 - 1e-4, 9999)
    for user in range(5):
        gaps = gaps_of(user, rank=2, temperature=temperature)
        values = grid_values(first, gaps, crowd_of(2))
        assert weights[user, 0] == pytest.approx(first[np.argmin(values)], abs=2e-4)


def test_at_the_solution_no_direction_that_keeps_the_sum_goes_downhill():
    """KKT: all entries of the gradient are equal, since every weight is positive."""
    weights = toy_weights().numpy()
    for user in range(5):
        gaps = gaps_of(user)
        pulls = 1 / (1 + np.exp(gaps @ weights[user]))
        gradient = -(pulls[:, None] * gaps).sum(0) - crowd_of() / weights[user]
        assert gradient == pytest.approx(gradient.mean(), abs=1e-4)


def test_adam_arrives_at_the_same_place_when_the_prior_fades():
    """Without a prior both minimise the likelihood alone."""
    some = toy_pairs(n_pairs=300)
    patient = FewShot(optimizer="adam", steps=3000, learning_rate=0.05)
    newton = toy_weights(some, replace(NEWTON, prior=1e-6))
    close(toy_weights(some, patient), newton, tolerance=2e-3)


def test_one_pair_worked_by_hand():
    """K = 2, gaps ±2, even crowd: minimise log(1 + exp(2 - 4w)) - (log w + log(1 - w)) / 2."""
    reward = LowRankReward(torch.tensor([[1.0, -1.0]]).double(), torch.zeros(1, 2).double())
    responses = Responses(torch.tensor([[0.0], [2.0]]).double(), [0, 0])
    w = float(fit_weights(reward, responses, pairs((0, 1, 0)), NEWTON)[0, 0])
    slope = -4 / (1 + np.exp(4 * w - 2)) - 0.5 / w + 0.5 / (1 - w)
    assert 0.5 < w < 1 and slope == pytest.approx(0, abs=1e-5)


def test_unseen_users_of_a_planted_crowd_are_predicted_and_better_with_more_pairs():
    study = planted(n_users=60, n_shots=30)
    reward, asked = fit_basis(study.responses, study.train, 3).reward, study.tests[BLOCKS[3]]
    scores = []
    for n in (0, 3, 30):
        shots = study.shots.subsample(n, torch.Generator().manual_seed(0))
        weights = fit_weights(reward, study.responses, shots)
        scores.append(float(accuracy(reward, study.responses, asked, weights).mean()))
    assert scores[0] < scores[1] < scores[2] and scores[2] > 0.9


# --- properties --------------------------------------------------------------------------------


@each_recipe
def test_weights_lie_on_the_simplex(recipe):
    weights = toy_weights(recipe=recipe)
    assert weights.shape == (5, 3) and (weights >= 0).all()
    close(weights.sum(1), torch.ones(5, dtype=torch.float64))


@properties
@given(seed=st.integers(0, 999))
@pytest.mark.parametrize(
    "recipe", [NEWTON, replace(PAPER_FEW_SHOT, steps=20)], ids=["newton", "paper"]
)
def test_order_of_pairs_does_not_matter(recipe, seed):
    close(toy_weights(shuffled(toy_pairs(), seed), recipe), toy_weights(recipe=recipe))


@properties
@given(new_id=st.permutations(range(5)))
def test_relabelling_users_permutes_their_weights(new_id):
    new_id = torch.tensor(new_id)
    close(toy_weights(relabelled(toy_pairs(), new_id))[new_id], toy_weights())


@properties
@given(order=st.permutations(range(3)))
def test_reordering_the_basis_reorders_the_weights(order):
    model = toy_reward()
    reordered = LowRankReward(model.basis[:, list(order)], model.logits[:, list(order)])
    weights = fit_weights(reordered, toy_responses(), toy_pairs(), NEWTON)
    close(weights, toy_weights()[:, list(order)])


@each_recipe
def test_a_users_weights_depend_on_their_own_pairs_only(recipe):
    some = toy_pairs()
    alone = toy_weights(some.select(some.user == 2), recipe)
    close(alone[2], toy_weights(some, recipe)[2])


def test_newton_has_one_answer_whatever_the_start():
    for seed in range(3):
        close(toy_weights(init=3 * normal(5, 3, seed=seed)), toy_weights())
    assert torch.equal(toy_weights(seed=0), toy_weights(seed=1))


def test_a_stronger_prior_stays_nearer_to_the_crowd():
    crowd = torch.from_numpy(crowd_of())
    distances = [
        float((toy_weights(recipe=replace(NEWTON, prior=p)) - crowd).abs().sum())
        for p in (0.1, 1.0, 10.0, 1e6)
    ]
    assert distances == sorted(distances, reverse=True) and distances[-1] < 1e-3


def test_adam_starts_where_it_is_told():
    still = replace(PAPER_FEW_SHOT, steps=0)
    close(toy_weights(recipe=still, init=normal(5, 3)), normal(5, 3).softmax(1))


def test_adam_repeats_with_its_seed_and_differs_between_seeds():
    recipe = replace(PAPER_FEW_SHOT, steps=3)
    one, again, other = (toy_weights(recipe=recipe, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_the_start_is_left_as_it_was():
    given_start = normal(5, 3)
    toy_weights(recipe=replace(PAPER_FEW_SHOT, steps=3), init=given_start)
    assert torch.equal(given_start, normal(5, 3))


# --- the centre of the prior ---------------------------------------------------------------------


def posterior_by_hand(gaps):
    """Σ_i p_i w_i, p_i ∝ Π_b σ(g_b · w_i), written out for one user."""
    seen = toy_reward().logits.softmax(1).numpy()
    likelihood = (1 / (1 + np.exp(-gaps @ seen.T))).prod(0)
    return likelihood @ seen / likelihood.sum()


def test_a_huge_prior_leaves_the_mean_of_the_seen_users_counted_by_how_they_explain_the_pairs():
    weights = toy_weights(recipe=FewShot(prior=1e7)).numpy()
    for user in range(5):
        assert weights[user] == pytest.approx(posterior_by_hand(gaps_of(user)), abs=1e-5)
    assert abs(weights - crowd_of()).max() > 0.05


@pytest.mark.parametrize("prior", [0.1, 2.0, 10.0])
def test_newton_finds_the_minimum_around_the_posterior_mean(prior):
    weights = toy_weights(recipe=FewShot(prior=prior)).numpy()
    for user in range(5):
        gaps = gaps_of(user)
        centre = posterior_by_hand(gaps)
        found = objective(weights[user], gaps, centre, prior)
        around = (objective(softmax(some), gaps, centre, prior) for some in normal(200, 3).numpy())
        assert found <= min(around) and found <= objective(centre, gaps, centre, prior)
        pulls = 1 / (1 + np.exp(gaps @ weights[user]))
        gradient = -(pulls[:, None] * gaps).sum(0) - prior * centre / weights[user]
        assert gradient == pytest.approx(gradient.mean(), abs=1e-4), "KKT, as above"


def test_who_answers_like_one_seen_user_and_like_no_other_is_drawn_to_that_one():
    """Three specialists; the new user's pair is won by the second one's reward alone."""
    reward = LowRankReward.from_weights(100 * torch.eye(3), torch.eye(3))
    responses = Responses(torch.tensor([[-1.0, 1.0, -1.0], [0.0, 0.0, 0.0]]), [0, 0])
    weights = fit_weights(reward, responses, pairs((0, 0, 1)), FewShot(prior=1e6))
    close(weights, torch.tensor([[0.0, 1.0, 0.0]]), 1e-4)


def test_where_all_seen_users_are_alike_both_centres_are_the_crowd():
    reward = LowRankReward(toy_reward().basis, toy_reward().logits[:1].expand(7, -1))
    by_centre = (
        fit_weights(reward, toy_responses(), toy_pairs(), FewShot(prior=1.0, centre=centre))
        for centre in CENTRES
    )
    close(*by_centre)


# --- users without pairs, huge margins ---------------------------------------------------------


@each_recipe
def test_a_user_without_pairs_gets_the_crowds_mean_weights(recipe):
    some = toy_pairs()
    weights = toy_weights(some.select(some.user != 3), recipe)
    close(weights[3], torch.from_numpy(crowd_of()))
    assert (weights[[0, 1, 2, 4]] - weights[3]).abs().sum(1).min() > 1e-3


@each_recipe
def test_no_pairs_at_all_give_everybody_the_crowds_mean_weights(recipe):
    weights = toy_weights(pairs(n_users=4), recipe)
    close(weights, torch.from_numpy(crowd_of()).expand(4, -1))


@each_recipe
@pytest.mark.parametrize("size", [1e2, 1e4, 1e6])
def test_huge_margins_give_the_weights_they_speak_for(recipe, size):
    """Three axes as basis; each user's pair speaks for one of them and against the others."""
    reward = LowRankReward(size * torch.eye(3), torch.zeros(1, 3))
    responses = Responses(torch.cat([torch.eye(3) * 2 - 1, torch.zeros(1, 3)]), [0] * 4)
    weights = fit_weights(reward, responses, pairs((0, 0, 3), (1, 1, 3), (2, 2, 3)), recipe)
    assert weights.isfinite().all()
    assert weights.argmax(1).tolist() == [0, 1, 2]
    close(weights.sum(1), torch.ones(3))


@pytest.mark.parametrize("size", [1e4, 1e8])
def test_contradictory_pairs_with_huge_margins_are_no_accident(size):
    reward = LowRankReward(size * torch.eye(3), torch.zeros(1, 3))
    responses = Responses(torch.cat([torch.eye(3), torch.zeros(1, 3)]), [0] * 4)
    weights = fit_weights(reward, responses, pairs((0, 0, 3), (0, 3, 0), (0, 1, 2), (0, 3, 1)))
    assert weights.isfinite().all() and (weights >= 0).all()
    close(weights.sum(1), torch.ones(1))


def test_a_column_that_nobody_in_the_crowd_uses_is_survived():
    reward = LowRankReward(torch.eye(3), torch.tensor([[0.0, 1.0, -200.0], [1.0, 0.0, -300.0]]))
    responses = Responses(torch.cat([torch.eye(3), torch.zeros(1, 3)]), [0] * 4)
    weights = fit_weights(reward, responses, pairs((0, 0, 3), (1, 2, 3)))
    assert weights.isfinite().all()
    close(weights.sum(1), torch.ones(2))
    assert weights[0, 0] > 0.5


def test_a_start_on_the_edge_of_the_simplex_is_survived():
    edge = torch.tensor([[900.0, 0.0, 0.0]] * 5, dtype=torch.float64)
    close(toy_weights(init=edge), toy_weights())


# --- what is refused -----------------------------------------------------------------------------


def test_a_recipe_for_many_users_is_refused():
    with pytest.raises(ValueError, match="recipe is a Recipe, which fits a basis; .*FEW_SHOT"):
        toy_weights(recipe=Recipe())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "lbfgs"}, "optimizer is 'lbfgs', expected one of newton, adam"),
        ({"prior": 0.0}, "prior is 0.0, expected a number above 0"),
        ({"optimizer": "adam", "prior": 0.3}, "prior is 0.3, but optimizer 'adam' has none and"),
        ({"learning_rate": 0.1}, "learning_rate is 0.1, but optimizer 'newton' has none and"),
        ({"optimizer": "adam", "learning_rate": -1}, "learning_rate is -1, expected .* above 0"),
        ({"centre": "median"}, "centre is 'median', expected one of posterior, crowd"),
        ({"optimizer": "adam", "centre": "crowd"}, "centre is 'crowd', but optimizer 'adam' has"),
        ({"temperature": 0.0}, "temperature is 0.0, expected a number above 0"),
        ({"steps": 0}, "steps is 0, expected a whole number of at least 1"),
    ],
)
def test_a_few_shot_recipe_says_which_option_is_off(options, message):
    with pytest.raises(ValueError, match=message):
        FewShot(**options)


@pytest.mark.parametrize("shape", [(4, 3), (5, 2)])
def test_a_start_of_another_shape_is_refused(shape):
    message = rf"init has shape {shape}, expected logits (N, K) = (5, 3)"
    with pytest.raises(ValueError, match=re.escape(message)):
        toy_weights(init=normal(*shape))


def test_rows_have_to_exist():
    with pytest.raises(ValueError, match="points to response 60, but there are 60"):
        toy_weights(pairs((0, 60, 1)))


def test_embeddings_of_another_width_are_refused():
    with pytest.raises(ValueError, match="embeddings have 7 features, the basis has 6"):
        fit_weights(toy_reward(), toy_responses(n_features=7), toy_pairs())


@pytest.mark.parametrize("size", [1e1, 1e3, 1e5, 1e8])
@pytest.mark.parametrize("rank", [2, 12])
def test_however_large_the_margins_every_start_leads_to_the_same_weights(rank, size):
    reward = LowRankReward(size * normal(6, rank), normal(20, rank, seed=1))
    some = toy_pairs(n_users=6, n_pairs=54)
    start = 3 * normal(6, rank, seed=2)
    close(*(fit_weights(reward, toy_responses(), some, init=i) for i in (None, start)), 1e-4)


def test_too_few_steps_are_said():
    with pytest.warns(UserWarning, match="weights may be off"):
        toy_weights(recipe=replace(NEWTON, steps=1, temperature=1e-4))


def test_the_recipe_s_temperature_divides_the_margins():
    by_recipe = toy_weights(recipe=replace(NEWTON, temperature=100.0))
    smaller = LowRankReward(toy_reward().basis / 100, toy_reward().logits)
    close(by_recipe, fit_weights(smaller, toy_responses(), toy_pairs(), NEWTON))


def test_posterior_means_are_the_same_however_few_users_are_looked_at_together(monkeypatch):
    whole = toy_weights(recipe=FEW_SHOT)
    monkeypatch.setattr(few_shot, "TABLE", 1)  # one user at a time
    close(toy_weights(recipe=FEW_SHOT), whole)


def test_of_very_many_seen_users_some_are_asked_and_always_the_same(monkeypatch):
    """Half of them say what all of them say, if each of them is there twice."""
    reward = toy_reward()
    twice = LowRankReward(reward.basis, reward.logits.repeat_interleave(2, 0))
    expected = fit_weights(reward, toy_responses(), toy_pairs())
    monkeypatch.setattr(few_shot, "ASKED", len(reward.logits))
    asked = fit_weights(twice, toy_responses(), toy_pairs())
    close(asked, expected)
    assert torch.equal(asked, fit_weights(twice, toy_responses(), toy_pairs()))
