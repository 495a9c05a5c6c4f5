"""The training objective is its formula, with the right gradient, and finite at any margin."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from worlds import normal, pairs, properties, toy_pairs, toy_responses

from lore_core import Recipe, Responses
from lore_core.objective import Objective, pair_loss
from lore_core.recipes import PAPER, PAPER_REGULARISED
from lore_core.sorted_pairs import SortedPairs

PLAIN = Recipe(rescale=False, ridge_basis=0.0, ridge_logits=0.0)
RIDGED = replace(PLAIN, ridge_basis=0.3, ridge_logits=0.7)
ANCHORED = replace(RIDGED, anchor=2.0, steps=10)
RECIPES = {
    "default": Recipe(),
    "by user": replace(PLAIN, average="user", temperature=2.0),
    "with ridge": RIDGED,
    "with anchor": ANCHORED,
    "paper": PAPER,
    "paper, regularised": PAPER_REGULARISED,
}
each_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


def toy(recipe, n_users=5, rank=3, seed=0):
    """An objective on random pairs, and a point to look at it."""
    responses, some = toy_responses(seed), toy_pairs(n_users=n_users, seed=seed)
    objective = Objective.on(responses, some, recipe, reference=normal(6, seed=7))
    return objective, normal(6, rank, seed=seed + 1), normal(n_users, rank, seed=seed + 2)


def by_the_formula(responses, some, recipe, basis, logits, reference, strength):
    """The docstring of `Recipe`, pair by pair in NumPy."""
    embeddings, basis, logits, reference = (
        t.numpy() for t in (responses.embeddings, basis, logits, reference)
    )
    losses = [[] for _ in range(some.n_users)]
    for u, c, r in zip(some.user, some.chosen, some.rejected, strict=True):
        weights = np.exp(logits[u]) / np.exp(logits[u]).sum()
        margin = (embeddings[c] - embeddings[r]) @ basis @ weights
        losses[u].append(np.logaddexp(0, -margin / recipe.temperature))
    if recipe.average == "user":
        nll = sum(np.mean(own) for own in losses if own)
    else:
        nll = np.mean([loss for own in losses for loss in own])
    cosines = [v @ reference / np.linalg.norm(v) / np.linalg.norm(reference) for v in basis.T]
    ridge = recipe.ridges[0] * (basis**2).sum()
    ridge += recipe.ridge_logits * np.mean([(row**2).sum() for row in logits])
    return nll + ridge + strength * np.mean([1 - c for c in cosines])


@each_recipe
def test_objective_is_the_formula_of_the_recipe(recipe):
    objective, basis, logits = toy(recipe)
    step = int(0.5 * recipe.steps)
    expected = by_the_formula(
        toy_responses(),
        toy_pairs(),
        recipe,
        basis,
        logits,
        normal(6, seed=7),
        recipe.anchor_at(step),
    )
    assert float(objective(basis, logits, step)) == pytest.approx(expected, rel=1e-10)


@each_recipe
def test_gradient_agrees_with_finite_differences(recipe):
    objective, basis, logits = toy(recipe)
    step = int(0.5 * recipe.steps)  # in the middle of the anchor's warm-up
    point = basis.requires_grad_(), logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda *at: objective(*at, step), point)


def two_users():
    """One feature; margins 1, 3 for the first user and -2 for the second."""
    responses = Responses(torch.tensor([[0.0], [1.0], [3.0], [-2.0]]), [0, 0, 0, 0])
    return responses, pairs((0, 1, 0), (0, 2, 0), (1, 3, 0))


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.mark.parametrize(
    ("average", "expected"),
    [
        ("pair", (softplus(-1) + softplus(-3) + softplus(2)) / 3),
        ("user", (softplus(-1) + softplus(-3)) / 2 + softplus(2)),
    ],
)
def test_averages_worked_by_hand(average, expected):
    objective = Objective.on(*two_users(), replace(PLAIN, average=average))
    nll = objective.nll(torch.ones(1, 1), torch.zeros(2, 1))
    assert float(nll) == pytest.approx(expected)


def test_temperature_divides_the_margin():
    objective = Objective.on(*two_users(), replace(PLAIN, temperature=10.0))
    expected = (softplus(-0.1) + softplus(-0.3) + softplus(0.2)) / 3
    assert float(objective.nll(torch.ones(1, 1), torch.zeros(2, 1))) == pytest.approx(expected)


def test_ridges_worked_by_hand():
    objective = Objective.on(*two_users(), replace(PLAIN, ridge_basis=0.5, ridge_logits=2.0))
    basis, logits = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    assert float(objective.penalty(basis, logits, 0)) == pytest.approx(0.5 * 5 + 2.0 * (2 + 4) / 2)


def test_anchor_costs_nothing_along_the_reference_and_twice_its_strength_against_it():
    reference = torch.tensor([3.0, 4.0])
    objective = Objective(
        torch.eye(2),
        SortedPairs.of(pairs((0, 0, 1)), 2),
        replace(PLAIN, anchor=5.0, steps=1),
        reference,
    )
    along, against = reference[:, None] * 2, reference[:, None] * -0.1
    logits = torch.zeros(1, 1)
    assert float(objective.penalty(along, logits, 1)) == pytest.approx(0, abs=1e-5)
    assert float(objective.penalty(against, logits, 1)) == pytest.approx(10)
    both = torch.cat([along, against], 1)
    assert float(objective.penalty(both, torch.zeros(1, 2), 1)) == pytest.approx(5)


def test_a_scale_measures_embeddings_in_other_units():
    responses, some = toy_responses(), toy_pairs()
    basis, logits = normal(6, 2), normal(5, 2)
    scaled = Objective.on(responses, some, PLAIN, scale=4.0).nll(basis, logits)
    torch.testing.assert_close(scaled, Objective.on(responses, some, PLAIN).nll(basis / 4, logits))


def test_responses_that_no_pair_uses_are_left_out():
    responses, some = toy_responses(), pairs((0, 50, 7), (1, 7, 31))
    used = responses.embeddings[[7, 31, 50]]
    torch.testing.assert_close(Objective.on(responses, some, PLAIN).embeddings, used - used.mean(0))


@properties
@given(seed=st.integers(0, 999))
def test_one_basis_reward_leaves_nothing_to_weigh(seed):
    objective, basis, logits = toy(PLAIN, rank=1, seed=seed)
    torch.testing.assert_close(
        objective.nll(basis, logits), objective.nll(basis, torch.zeros_like(logits))
    )


@pytest.mark.parametrize("margin", [-1e4, -200.0, 0.0, 200.0, 1e4])
def test_loss_and_slope_of_a_pair_are_right_at_any_margin(margin):
    """The logarithm of a sigmoid would give infinity and NaN at the first of these."""
    m = torch.tensor(margin, requires_grad=True)
    loss = pair_loss(m)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(np.logaddexp(0, -margin))
    assert float(m.grad) == pytest.approx(-np.exp(-np.logaddexp(0, margin)))


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_objective_and_gradient_stay_finite_at_huge_margins(size):
    objective = Objective.on(*two_users(), Recipe())
    basis, logits = (
        torch.full((1, 2), size, requires_grad=True),
        torch.zeros(2, 2, requires_grad=True),
    )
    loss = objective(basis, logits, 0)
    gradients = torch.autograd.grad(loss, [basis, logits])
    assert loss.isfinite() and all(g.isfinite().all() for g in gradients)
    assert gradients[0].abs().min() > 0.1  # the pairs on the wrong side still pull


def all_used(embeddings):
    """An objective on pairs that use every response."""
    n = len(embeddings)
    some = pairs(*[(b % 5, b, (b + 1) % n) for b in range(n)])
    return Objective.on(Responses(embeddings, [0] * n), some, PLAIN, 2.0)


def test_embeddings_of_which_all_are_used_are_not_copied():
    embeddings = normal(60, 6).float()
    assert all_used(embeddings).embeddings is embeddings
    assert torch.equal(embeddings, normal(60, 6).float())


@pytest.mark.parametrize("change", [lambda e: e + 1e4, lambda e: e * 1e30], ids=["shared", "unit"])
def test_embeddings_that_would_lose_digits_are_centred_and_divided_in_a_copy(change):
    given = change(normal(60, 6).float())
    kept = given.clone()
    objective = all_used(given)
    torch.testing.assert_close(
        objective.embeddings, (kept - kept.mean(0)) / 2, rtol=1e-3, atol=1e-3
    )
    assert objective.unit == 1 and torch.equal(given, kept)


def test_it_makes_no_difference_whether_embeddings_are_copied():
    basis, logits = normal(6, 2, seed=1), normal(5, 2, seed=2)
    one, other = (all_used(normal(60, 6) + shift) for shift in (0.0, 1e3))
    assert (one.unit, other.unit) == (2.0, 1.0)
    torch.testing.assert_close(one.nll(basis, logits), other.nll(basis, logits), rtol=1e-9, atol=0)
