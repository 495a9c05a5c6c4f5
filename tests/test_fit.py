"""Learning the basis: oracles, planted truth, early stopping, pruning, and what is refused."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F
from worlds import (
    normal,
    pairs,
    planted,
    properties,
    random,
    relabelled,
    shuffled,
    swapped,
    toy_pairs,
    toy_responses,
    true_basis,
)

from lore_core import Preferences, Recipe, Responses, accuracy, fit_basis, run
from lore_core.evaluation.alignment import alignment
from lore_core.evaluation.study import BLOCKS
from lore_core.objective import Objective
from lore_core.recipes import FEW_SHOT, PAPER, PAPER_REGULARISED
from lore_core.scale import pair_scale

SHORT = {
    "default": Recipe(),
    "adam": Recipe(optimizer="adam", steps=30),
    "paper": replace(PAPER, steps=30),
    "paper, regularised": replace(PAPER_REGULARISED, steps=30),
}
each_recipe = pytest.mark.parametrize("recipe", SHORT.values(), ids=SHORT)
REFERENCE = normal(6, seed=7)


def toy_fit(some=None, rank=2, recipe=None, responses=None, **options):
    """A fit of random pairs on random responses."""
    some = toy_pairs() if some is None else some
    return fit_basis(
        responses or toy_responses(), some, rank, recipe, reference=REFERENCE, **options
    )


def start(rank=2, n_users=5, d=6):
    return normal(d, rank, seed=3), normal(n_users, rank, seed=4)


def close(one, other, rtol=1e-5, atol=1e-7):
    torch.testing.assert_close(one, other, rtol=rtol, atol=atol)


# --- oracles ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rescale", [False, True])
def test_rank_one_is_logistic_regression(rescale):
    """Pooled Bradley–Terry: same minimum, same minimiser as scikit-learn's, ridge included."""
    responses, some, ridge = toy_responses(), toy_pairs(n_pairs=200), 0.02
    recipe = Recipe(rescale=rescale, ridge_basis=ridge, ridge_logits=0.0, tolerance=0.0)
    fit = fit_basis(responses, some, 1, recipe)
    gaps = (responses.embeddings[some.chosen] - responses.embeddings[some.rejected]).numpy()
    gaps = gaps / (np.sqrt((gaps**2).sum(1).mean()) if rescale else 1)
    sign = np.resize([1, -1], len(gaps))  # it wants to see both classes
    oracle = LogisticRegression(
        C=1 / (2 * ridge * len(gaps)), fit_intercept=False, solver="newton-cholesky", tol=1e-10
    ).fit(gaps * sign[:, None], sign)
    direction = oracle.coef_[0]
    value = np.logaddexp(0, -gaps @ direction).mean() + ridge * direction @ direction
    found = fit.reward.basis[:, 0].numpy() * (pair_scale(responses, some) if rescale else 1)
    assert found == pytest.approx(direction, abs=1e-4)
    assert fit.losses[-1] == pytest.approx(value, rel=1e-8)


def test_units_are_the_root_mean_square_difference_of_the_pairs():
    responses = Responses(torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]]), [0, 0, 0])
    assert pair_scale(responses, pairs((0, 0, 1), (0, 2, 0))) == pytest.approx(13**0.5)


@pytest.fixture(scope="module")
def crowd():
    return planted(concentration=0.1, n_users=60, n_pairs=35)


def test_a_planted_crowd_is_recovered_and_one_reward_for_all_is_not_enough(crowd):
    scores = {}
    for rank in (1, 3):
        reward = fit_basis(crowd.responses, crowd.train, rank).reward
        scores[rank] = float(accuracy(reward, crowd.responses, crowd.tests[BLOCKS[1]]).mean())
    assert scores[3] > 0.9
    assert scores[3] > scores[1] + 0.1


def test_specialists_show_the_planted_basis_up_to_order_and_length():
    study = planted(concentration=0.01, n_users=120, n_pairs=35, temperature=0.3)
    basis = fit_basis(study.responses, study.train, 3).reward.basis
    assert alignment(basis, true_basis(study)).min() > 0.95


# --- what a fit says about itself --------------------------------------------------------------


@each_recipe
def test_losses_are_the_objective_before_each_step_and_after_the_last(recipe):
    recipe = replace(recipe, steps=5, tolerance=0.0, anchor_warmup=(0.0, 1.0))
    basis, logits = start()
    fit = toy_fit(recipe=recipe, init=(basis, logits))
    responses, some = toy_responses(), toy_pairs()
    scale = pair_scale(responses, some) if recipe.rescale else 1.0
    objective = Objective.on(responses, some, recipe, scale, REFERENCE)
    first = objective(basis * scale, logits, 0)
    last = objective(fit.reward.basis * scale, fit.reward.logits, recipe.steps - 1)
    assert len(fit.losses) == 6 and fit.seconds > 0
    assert fit.losses[0] == pytest.approx(float(first))
    assert fit.losses[-1] == pytest.approx(float(last))


@pytest.mark.parametrize("recipe", [Recipe(), SHORT["adam"]], ids=["default", "adam"])
def test_training_lowers_the_loss(recipe):
    losses = toy_fit(recipe=recipe).losses
    assert losses[-1] < losses[0] - 0.1


def test_the_default_never_raises_the_loss():
    losses = toy_fit().losses
    assert all(after <= before for before, after in zip(losses, losses[1:], strict=False))


@each_recipe
def test_a_start_that_was_given_is_where_it_starts(recipe):
    basis, logits = start()
    reward = toy_fit(recipe=replace(recipe, steps=0, prune=0.0), init=(basis, logits)).reward
    close(reward.basis, basis)
    close(reward.logits, logits)


def test_the_start_is_left_as_it_was():
    basis, logits = start()
    toy_fit(init=(basis, logits))
    assert torch.equal(basis, start()[0]) and torch.equal(logits, start()[1])


@each_recipe
def test_random_starts_are_as_the_recipe_says(recipe):
    responses, some = toy_responses(n_features=400), toy_pairs(n_users=300, n_pairs=300)
    recipe = replace(recipe, steps=0, anchor=0.0, prune=0.0)
    reward = fit_basis(responses, some, 2, recipe).reward
    scale = pair_scale(responses, some) if recipe.rescale else 1.0
    assert float(reward.basis.std() * scale) == pytest.approx(recipe.start_scale, rel=0.1)
    assert float(reward.basis.mean() * scale) == pytest.approx(0, abs=0.15 * recipe.start_scale)
    if recipe.start == "uniform":
        assert 0 <= reward.logits.min() and reward.logits.max() < 1
        assert float(reward.logits.mean()) == pytest.approx(0.5, abs=0.05)
    else:
        assert float(reward.logits.std()) == pytest.approx(1, abs=0.15)
        assert float(reward.logits.mean()) == pytest.approx(0, abs=0.15)


def test_a_fit_keeps_the_type_of_the_embeddings():
    responses = toy_responses()
    single = Responses(responses.embeddings.float(), responses.prompt)
    assert toy_fit(responses=single).reward.basis.dtype == torch.float32
    assert toy_fit().reward.basis.dtype == torch.float64
    assert not toy_fit().reward.basis.requires_grad


def test_tolerance_stops_when_little_is_gained_and_zero_never_does():
    stopped, full = (toy_fit(recipe=Recipe(tolerance=t)).losses for t in (0.05, 0.0))
    *before, gain = np.diff(stopped[:-1])
    assert len(stopped) < len(full) == Recipe().steps + 1
    assert -gain < 0.05 * stopped[-2] and all(-d >= 0.05 * stopped[-2] for d in before)


# --- properties --------------------------------------------------------------------------------


@properties
@given(seed=st.integers(0, 999))
def test_order_of_pairs_does_not_matter(seed):
    one, other = (
        toy_fit(some, init=start()) for some in (toy_pairs(), shuffled(toy_pairs(), seed))
    )
    assert one.losses == pytest.approx(other.losses, rel=1e-6)
    close(one.reward.basis, other.reward.basis, rtol=1e-4, atol=1e-4)


@properties
@given(new_id=st.permutations(range(5)))
def test_relabelling_users_permutes_their_weights(new_id):
    new_id = torch.tensor(new_id)
    basis, logits = start()
    moved = torch.empty_like(logits).index_copy(0, new_id, logits)
    one = toy_fit(init=(basis, logits)).reward
    other = toy_fit(relabelled(toy_pairs(), new_id), init=(basis, moved)).reward
    close(other.weights[new_id], one.weights, rtol=1e-4, atol=1e-4)
    close(other.basis, one.basis, rtol=1e-4, atol=1e-4)


@properties
@given(shift=st.lists(st.floats(-10, 10), min_size=6, max_size=6))
def test_adding_a_constant_to_all_embeddings_changes_nothing(shift):
    responses = toy_responses()
    shifted = replace(responses, embeddings=responses.embeddings + torch.tensor(shift))
    one, other = toy_fit().reward, toy_fit(responses=shifted).reward
    close(other.basis, one.basis, rtol=1e-4, atol=1e-4)
    close(other.weights, one.weights, rtol=1e-4, atol=1e-4)


@properties
@given(unit=st.floats(1e-3, 1e3))
def test_the_unit_of_the_embeddings_changes_nothing_by_default(unit):
    responses = toy_responses()
    scaled = replace(responses, embeddings=responses.embeddings * unit)
    one, other = toy_fit().reward, toy_fit(responses=scaled).reward
    margins = one.margins(responses, toy_pairs()), other.margins(scaled, toy_pairs())
    close(*margins, rtol=1e-4, atol=1e-4)


@each_recipe
def test_the_opposite_preferences_give_the_opposite_basis(recipe):
    basis, logits = start()
    recipe = replace(recipe, anchor=0.0)
    one = toy_fit(recipe=recipe, init=(basis, logits)).reward
    other = toy_fit(swapped(toy_pairs()), recipe=recipe, init=(-basis, logits)).reward
    close(other.basis, -one.basis, rtol=1e-4, atol=1e-4)
    close(other.weights, one.weights, rtol=1e-4, atol=1e-4)


def test_averaging_by_user_gives_every_user_the_same_say():
    """Repeating one user's pairs changes the mean over pairs, not the sum of the users' means."""
    some = toy_pairs()
    mine = (some.user == 0).nonzero().flatten()
    more = some.select(torch.cat([torch.arange(len(some)), mine, mine]))
    for average, same in (("user", True), ("pair", False)):
        recipe = Recipe(average=average, rescale=False)
        one, other = (toy_fit(p, recipe=recipe, init=start()).losses[-1] for p in (some, more))
        assert (one == pytest.approx(other, rel=1e-6)) == same


def test_ridges_shrink_what_they_are_named_after():
    plain = toy_fit(init=start()).reward
    short = toy_fit(recipe=Recipe(ridge_basis=1.0), init=start()).reward
    even = toy_fit(recipe=Recipe(ridge_logits=1.0), init=start()).reward
    assert short.basis.norm() < 0.2 * plain.basis.norm()
    assert (even.weights - 0.5).abs().max() < 0.5 * (plain.weights - 0.5).abs().max()


# --- early stopping ------------------------------------------------------------------------------

OVERFITTING = Recipe(
    optimizer="adam", steps=60, rescale=False, ridge_basis=0.0, ridge_logits=0.0, tolerance=0.0
)


def held_out():
    """Random pairs: what is learned from the others can only hurt here, sooner or later."""
    return toy_pairs(n_pairs=40, seed=1)


def nll_of(reward, some):
    margins = reward.margins(toy_responses(), some)
    return float(F.softplus(-margins).mean())


def test_early_stopping_returns_the_parameters_with_the_best_validation_loss():
    fit = toy_fit(recipe=replace(OVERFITTING, patience=10), validation=held_out(), init=start())
    assert min(fit.validation) < fit.validation[-1] < fit.validation[0]
    assert nll_of(fit.reward, held_out()) == pytest.approx(min(fit.validation))


@pytest.mark.parametrize("patience", [1, 4])
def test_patience_is_the_number_of_steps_without_a_better_validation_loss(patience):
    fit = toy_fit(
        recipe=replace(OVERFITTING, patience=patience), validation=held_out(), init=start()
    )
    best = int(np.argmin(fit.validation))
    assert 0 < best and len(fit.validation) == best + 1 + patience < OVERFITTING.steps
    assert len(fit.losses) == len(fit.validation) + 1


@pytest.mark.parametrize("tolerance", [0.01, 0.02, 0.05])
def test_a_validation_loss_lower_by_less_than_the_tolerance_is_not_better(tolerance):
    """With patience for one step, the first gain below the tolerance is the last."""
    recipe = replace(OVERFITTING, patience=1, tolerance=tolerance)
    fit = toy_fit(recipe=recipe, validation=held_out(), init=start())
    gains = 1 - np.divide(fit.validation[1:], fit.validation[:-1])
    assert (gains[:-1] >= tolerance).all() and gains[-1] < tolerance
    assert 1 < len(gains) < OVERFITTING.steps - 1
    assert nll_of(fit.reward, held_out()) == pytest.approx(fit.validation[-2])


def test_the_last_loss_is_that_of_the_parameters_returned():
    fit = toy_fit(recipe=replace(OVERFITTING, patience=4), validation=held_out(), init=start())
    assert fit.losses[-1] == pytest.approx(nll_of(fit.reward, toy_pairs()))
    assert fit.losses[-1] > fit.losses[-2]


def test_without_patience_validation_changes_nothing():
    recipe = replace(OVERFITTING, patience=None)
    one, other = toy_fit(recipe=recipe), toy_fit(recipe=recipe, validation=held_out())
    assert one.losses == other.losses and len(one.losses) == 61 and other.validation == []


def test_validation_pairs_are_not_learned_from():
    recipe = replace(OVERFITTING, patience=5)
    one, other = toy_fit(recipe=recipe), toy_fit(recipe=recipe, validation=held_out())
    steps = len(other.validation)
    assert other.losses[:steps] == one.losses[:steps]


def test_no_validation_pairs_are_as_good_as_none():
    recipe = replace(OVERFITTING, patience=5)
    nothing = toy_pairs().select(torch.tensor([], dtype=torch.long))
    assert toy_fit(recipe=recipe, validation=nothing).losses == toy_fit(recipe=recipe).losses


# --- several ridges ------------------------------------------------------------------------------

RIDGES = (1e-5, 1e-4, 1e-3, 1e-2)


def best_loss(fit):
    return min(fit.validation)


def fitted(ridge, temperature=None, tolerance=1e-3):
    """A fit of users who compare random candidates, with or without noise."""
    study = planted(temperature=temperature, pairs="random")
    recipe = Recipe(ridge_basis=ridge, tolerance=tolerance)
    return fit_basis(study.responses, study.train, 3, recipe, validation=study.validation)


@pytest.mark.parametrize(
    ("temperature", "expected"), [(None, 1e-5), (1.0, 1e-3)], ids=["noise-free", "noisy"]
)
def test_validation_pairs_choose_among_several_ridges_and_the_fit_is_that_of_the_chosen_one(
    temperature, expected
):
    several = fitted(RIDGES, temperature)
    best = min((fitted(ridge, temperature) for ridge in RIDGES), key=best_loss)
    assert several.ridge_basis == best.ridge_basis == expected
    assert several.losses == best.losses and several.validation == best.validation
    assert torch.equal(several.reward.basis, best.reward.basis)
    assert torch.equal(several.reward.logits, best.reward.logits)


def test_by_default_noisy_users_get_a_stronger_ridge_than_noise_free_ones():
    weakest, default = Recipe().ridges[0], Recipe().ridge_basis
    assert fitted(default).ridge_basis == weakest < fitted(default, 1.0).ridge_basis


def test_no_ridge_is_tried_beyond_one_that_is_worse():
    study, refused = planted(), 1e308  # its penalty overflows
    recipe = Recipe(ridge_basis=(1e-5, 1.0, refused), start_scale=10.0)
    data = study.responses, study.train, 3
    assert fit_basis(*data, recipe, validation=study.validation).ridge_basis == 1e-5
    with pytest.raises(ValueError, match="the loss became inf"):
        fit_basis(*data, replace(recipe, ridge_basis=refused))


def test_a_stronger_ridge_that_is_better_by_less_than_the_tolerance_is_not_better():
    weak, stronger = (fitted(ridge, 1.0, tolerance=0.1) for ridge in RIDGES[:2])
    assert 0.9 * best_loss(weak) < best_loss(stronger) < best_loss(weak)
    assert fitted(RIDGES, 1.0, tolerance=0.1).ridge_basis == RIDGES[0]


@pytest.mark.parametrize("options", [{}, {"patience": None}], ids=["no pairs", "no patience"])
def test_without_validation_the_first_of_several_ridges_counts(options):
    held, refused = held_out() if options else None, 1e308
    several, one = (
        toy_fit(recipe=Recipe(ridge_basis=ridge, start_scale=10.0, **options), validation=held)
        for ridge in ((1e-3, refused), 1e-3)
    )
    assert several.losses == one.losses and several.ridge_basis == one.ridge_basis == 1e-3
    assert torch.equal(several.reward.basis, one.reward.basis)


# --- anchor and pruning ------------------------------------------------------------------------


def test_anchor_warms_up_from_nothing_to_full_in_a_straight_line():
    recipe = Recipe(anchor=6.0, steps=10, anchor_warmup=(0.2, 0.8))
    strengths = [recipe.anchor_at(step) for step in range(10)]
    assert strengths == pytest.approx([0, 0, 0, 1, 2, 3, 4, 5, 6, 6])


def test_anchor_warm_up_is_cut_to_whole_steps():
    recipe = Recipe(anchor=1.0, steps=9, anchor_warmup=(0.25, 0.5))  # from step 2 to step 4
    assert [recipe.anchor_at(step) for step in (1, 2, 3, 4, 5)] == [0, 0, 0.5, 1, 1]


def test_without_a_warm_up_the_anchor_holds_at_once():
    recipe = Recipe(anchor=3.0, anchor_warmup=(0.0, 0.0))
    assert [recipe.anchor_at(step) for step in (0, 1, 39)] == [3, 3, 3]


def test_a_strong_anchor_turns_every_column_towards_the_reference():
    recipe = Recipe(optimizer="alternating", steps=200, anchor=1e3, tolerance=0.0)
    basis = toy_fit(rank=3, recipe=recipe).reward.basis
    assert F.cosine_similarity(basis, REFERENCE[:, None], dim=0).min() > 0.99


def lopsided(*columns):
    """Three users' logits by column of weights."""
    return torch.tensor(columns, dtype=torch.float64).T.log()


PRUNING = replace(PAPER, steps=0, prune=0.1)
THREE = toy_pairs(n_users=3)


def test_columns_that_nobody_uses_are_dropped_and_the_rest_sums_to_one():
    logits = lopsided([0.5, 0.6, 0.15], [0.05, 0.02, 0.03], [0.45, 0.38, 0.82])
    basis = normal(6, 3)
    reward = toy_fit(THREE, 3, PRUNING, init=(basis, logits)).reward
    assert torch.equal(reward.basis, basis[:, [0, 2]])
    close(reward.weights.sum(1), torch.ones(3, dtype=torch.float64))
    close(reward.weights[0], torch.tensor([0.5, 0.45], dtype=torch.float64) / 0.95)


def test_a_column_that_one_user_uses_stays():
    logits = lopsided([0.99, 0.99, 0.85], [0.01, 0.01, 0.15])
    assert toy_fit(THREE, 2, PRUNING, init=(normal(6, 2), logits)).reward.rank == 2


def test_a_column_at_the_threshold_stays():
    recipe = replace(PRUNING, prune=0.5)
    reward = toy_fit(THREE, 2, recipe, init=(normal(6, 2), torch.zeros(3, 2).double())).reward
    assert reward.rank == 2


def test_users_without_pairs_keep_no_column_alive():
    logits = lopsided([0.99, 0.99, 0.1], [0.01, 0.01, 0.9])
    of_two = pairs((0, 0, 1), (1, 2, 3), n_users=3)
    assert toy_fit(of_two, 2, PRUNING, init=(normal(6, 2), logits)).reward.rank == 1


# --- users without pairs -------------------------------------------------------------------------


@each_recipe
def test_a_user_without_pairs_gets_the_mean_weights_of_those_with_pairs(recipe):
    some = toy_pairs()
    reward = toy_fit(some.select((some.user != 1) & (some.user != 3)), recipe=recipe).reward
    others = reward.weights[[0, 2, 4]]
    assert others.std(0).min() > 0
    close(reward.weights[1], others.mean(0))
    close(reward.weights[3], others.mean(0))


def test_a_user_without_pairs_gets_the_mean_even_of_a_column_that_nobody_uses():
    logits = torch.tensor([[0.0, 0.0, -900.0]] * 2, dtype=torch.float64)
    reward = toy_fit(
        pairs((0, 0, 1), n_users=2), 3, replace(PAPER, steps=0), init=(normal(6, 3), logits)
    ).reward
    close(reward.weights, torch.tensor([[0.5, 0.5, 0.0]] * 2, dtype=torch.float64))


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rank", "remedy"),
    [(0, "at least 1.*LowRankReward.fixed"), (-2, "at least 1"), (2.0, "a whole number")],
)
def test_rank_is_a_whole_number_of_at_least_one(rank, remedy):
    with pytest.raises(ValueError, match=f"rank is {rank}, expected .*{remedy}"):
        toy_fit(rank=rank)


def test_pairs_are_needed():
    with pytest.raises(ValueError, match="no pairs to learn from; give at least one"):
        fit_basis(toy_responses(), pairs(n_users=3), 2)


def test_rows_have_to_exist():
    with pytest.raises(ValueError, match="points to response 60, but there are 60"):
        toy_fit(pairs((0, 60, 1)))
    with pytest.raises(ValueError, match="points to response 61, but there are 60"):
        toy_fit(validation=pairs((4, 1, 61)))


def test_validation_is_of_the_same_users():
    with pytest.raises(ValueError, match="validation has 3 users, training 5; expected the same"):
        toy_fit(validation=toy_pairs(n_users=3))


def test_an_anchor_needs_a_reference():
    with pytest.raises(
        ValueError, match=r"has an anchor; pass reference=, a direction of shape \(d,\)"
    ):
        fit_basis(toy_responses(), toy_pairs(), 2, SHORT["paper, regularised"])


def test_a_reference_has_one_number_per_feature():
    with pytest.raises(ValueError, match="reference"):
        fit_basis(toy_responses(), toy_pairs(), 2, SHORT["paper, regularised"], reference=normal(7))


def test_a_recipe_for_new_users_fits_weights_only():
    with pytest.raises(ValueError, match="recipe is a FewShot.* fits new users' weights only"):
        toy_fit(recipe=FEW_SHOT)


@pytest.mark.parametrize(
    "shapes",
    [((6, 3), (5, 2)), ((7, 2), (5, 2)), ((6, 2), (4, 2)), ((6, 2), (5, 3)), ((2, 6), (5, 2))],
)
def test_a_start_of_other_shapes_is_refused(shapes):
    message = f"init has shape {shapes[0]}, expected basis (d, K) = (6, 2)"
    if shapes[0] == (6, 2):
        message = f"init has shape {shapes[1]}, expected logits (N, K) = (5, 2)"
    with pytest.raises(ValueError, match=re.escape(message)):
        toy_fit(init=(normal(*shapes[0]), normal(*shapes[1])))


def test_a_loss_that_is_not_finite_is_said_at_its_step():
    recipe = replace(PAPER, steps=5, learning_rate=1e200)
    with pytest.raises(
        ValueError, match=r"loss became (nan|inf) at step 1; try a learning rate below 1e\+200"
    ):
        toy_fit(recipe=recipe)


def test_an_optimiser_without_a_learning_rate_is_not_told_to_lower_it():
    with pytest.raises(ValueError, match="loss became (nan|inf) at step 0; try smaller embeddings"):
        huge = torch.full((6, 2), 1e308, dtype=torch.float64)
        toy_fit(recipe=Recipe(rescale=False), init=(huge, start()[1]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"optimizer": "sgd"},
            "optimizer is 'sgd', expected one of lbfgs, adam, alternating",
        ),
        ({"average": "prompt"}, "average is 'prompt', expected one of pair, user"),
        ({"start": "zeros"}, "start is 'zeros', expected one of normal, uniform"),
        (
            {"optimizer": "adam", "learning_rate": 0.0},
            "learning_rate is 0.0, expected a number above 0",
        ),
        (
            {"learning_rate": 0.1},
            "learning_rate is 0.1, but optimizer 'lbfgs' has none and would ignore it; leave",
        ),
        ({"temperature": -1.0}, "temperature is -1.0, expected a number above 0"),
        ({"temperature": float("nan")}, "temperature is nan, expected a number above 0"),
        ({"steps": -1}, "steps is -1, expected a whole number of at least 0"),
        ({"ridge_basis": -0.1}, "ridge_basis is -0.1, expected 0 or more"),
        ({"ridge_logits": -0.1}, "ridge_logits is -0.1, expected 0 or more"),
        ({"anchor": -1.0}, "anchor is -1.0, expected 0 or more"),
        ({"prune": -0.1}, "prune is -0.1, expected 0 or more"),
        ({"tolerance": -1.0}, "tolerance is -1.0, expected 0 or more"),
        ({"patience": 0}, "patience is 0, expected a whole number of at least 1"),
        ({"anchor_warmup": (0.8, 0.2)}, "anchor_warmup is .*, expected 0 <= from <= to <= 1"),
    ],
)
def test_a_recipe_says_which_option_is_off(options, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**options)


def test_a_recipe_knows_its_options():
    with pytest.raises(TypeError, match="optimiser"):
        Recipe(optimiser="adam")


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "alternating"])
def test_fits_survive_huge_margins(optimizer, size):
    recipe = Recipe(optimizer=optimizer, steps=5, rescale=False)
    fit = toy_fit(recipe=recipe, init=(torch.full((6, 2), size).double(), start()[1]))
    assert np.isfinite(fit.losses).all() and fit.losses[0] > 100
    assert fit.losses[-1] < fit.losses[0]


def test_two_seeds_start_from_different_places():
    one, again, other = (toy_fit(recipe=Recipe(steps=0), seed=seed).reward for seed in (0, 0, 1))
    assert torch.equal(one.basis, again.basis) and torch.equal(one.logits, again.logits)
    assert not torch.equal(one.basis, other.basis) and not torch.equal(one.logits, other.logits)


def test_a_fit_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    toy_fit(recipe=Recipe(steps=1))
    planted(n_users=5).train.subsample(2, random(0))
    assert torch.equal(torch.get_rng_state(), before)


# --- settling ----------------------------------------------------------------------------------


def test_the_tolerance_does_not_end_adam_whose_single_steps_are_small_or_bad():
    recipe = Recipe(optimizer="adam", steps=60, learning_rate=0.5, patience=None)
    assert len(toy_fit(recipe=recipe).losses) == 60 + 1


def test_an_anchor_pulls_under_the_default_tolerance_too():
    pulled, free = (toy_fit(recipe=Recipe(anchor=anchor)).reward.basis for anchor in (100.0, 0.0))
    near, far = (F.cosine_similarity(b, REFERENCE[:, None], 0).mean() for b in (pulled, free))
    assert near > 0.95 > far


# --- what is let in ----------------------------------------------------------------------------


def test_half_precision_is_computed_in_single():
    some = toy_responses()
    stored = Responses(some.embeddings.half(), some.prompt)
    assert toy_fit(responses=stored).reward.basis.dtype == torch.float32


def test_numpy_arrays_and_numbers_are_welcome():
    some, labels = toy_responses(), toy_pairs()
    as_numpy = Responses(some.embeddings.numpy(), some.prompt.numpy())
    columns = (labels.user.numpy(), labels.chosen.numpy(), labels.rejected.numpy())
    same = Preferences(*columns, n_users=columns[0].max() + 1)
    assert fit_basis(as_numpy, same, np.int64(2)).losses == toy_fit().losses


def crowd_of(copies):
    """The losses of a fit to everybody's pairs, when everybody is there so many times."""
    one, start = toy_pairs(), (normal(6, 3), normal(5, 3, seed=1))
    user = torch.cat([one.user + copy * one.n_users for copy in range(copies)])
    rows = (rows.repeat(copies) for rows in (one.chosen, one.rejected))
    many = Preferences(user, *rows, one.n_users * copies)
    recipe = Recipe(steps=6, tolerance=0.0, ridge_basis=1e-2)
    start = start[0], start[1].repeat(copies, 1)
    return torch.tensor(fit_basis(toy_responses(), many, 3, recipe, start).losses)


def test_a_step_of_lbfgs_gets_as_far_however_many_users_share_the_loss(monkeypatch):
    """A user is 1/N of the loss; the unit of the logits makes up for it."""
    one, behind = crowd_of(1), []
    for at_ease in (5, 1e9):
        monkeypatch.setattr(run, "AT_EASE", at_ease)
        behind.append(float(crowd_of(256)[1] - one[1]))
    assert behind[0] < behind[1] / 4


def test_adam_does_not_ask_how_many_users_there_are():
    assert run.logits_unit(PAPER, 10**6) == 1.0 == run.logits_unit(Recipe(), 1000)
