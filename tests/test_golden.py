"""The paper's recipes reproduce numbers of the published implementation (golden/README.md).

Measured agreement is a few 1e-6; 1e-3 is what float32 and another order of summation may cost.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lore_core import LowRankReward, Preferences, Responses, accuracy, fit_basis, fit_weights
from lore_core.recipes import PAPER, PAPER_FEW_SHOT, PAPER_REGULARISED


def golden(name):
    path = Path(__file__).parent / "golden" / f"{name}.npz"
    with np.load(path, allow_pickle=False) as arrays:
        return {key: torch.from_numpy(value) for key, value in arrays.items()}


def problem(features, user):
    """Pairs whose differences are `features`: each row against a response that is all zeros."""
    b, d = features.shape
    embeddings = torch.cat([features, features.new_zeros(1, d)])
    pairs = Preferences(user, torch.arange(b), torch.full((b,), b), int(user.max()) + 1)
    return Responses(embeddings, torch.arange(b + 1)), pairs


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def joint():
    numbers = golden("reference_lore")
    recipe = replace(PAPER, steps=int(numbers["steps"]))
    responses, pairs = problem(numbers["features"], numbers["user"])
    start = numbers["V_init"], numbers["W_init"]
    return numbers, fit_basis(responses, pairs, 3, recipe, init=start, device="cpu")


@pytest.fixture(scope="module")
def few():
    numbers = golden("reference_lore")
    recipe = replace(PAPER_FEW_SHOT, steps=int(numbers["few_steps"]))
    responses, pairs = problem(numbers["few_features"], numbers["few_user"])
    reward = LowRankReward(numbers["V"], numbers["W"].log())
    start = numbers["few_w_init"]
    weights = fit_weights(reward, responses, pairs, recipe, init=start, device="cpu")
    return numbers, weights, accuracy(reward, responses, pairs, weights)


def test_joint_fit_ends_with_the_published_basis_and_weights(joint):
    numbers, fit = joint
    close(fit.reward.basis, numbers["V"])
    close(fit.reward.weights, numbers["W"])


def test_joint_fit_has_the_published_loss_first_and_last(joint):
    numbers, fit = joint
    assert len(fit.losses) == numbers["steps"] + 1
    assert fit.losses[0] == pytest.approx(float(numbers["loss_first"]), rel=1e-3)
    assert fit.losses[-1] == pytest.approx(float(numbers["loss_last"]), rel=1e-3)


def test_few_shot_fit_ends_with_the_published_weights(few):
    numbers, weights, _ = few
    close(weights, numbers["few_W"])


def test_few_shot_accuracy_is_the_published_one(few):
    numbers, _, scores = few
    close(scores.double(), numbers["few_accuracy"])


def test_regularised_fit_ends_with_the_published_basis_and_weights():
    numbers = golden("reference_lore_regularised")
    recipe = replace(PAPER_REGULARISED, steps=int(numbers["steps"]), anchor=float(numbers["alpha"]))
    responses, pairs = problem(numbers["features"], numbers["user"])
    start, reference = (numbers["V_init"], numbers["W_init"]), numbers["reference"].flatten()
    reward = fit_basis(
        responses, pairs, 3, recipe, init=start, device="cpu", reference=reference
    ).reward
    close(reward.basis, numbers["V"])
    close(reward.weights, numbers["W"])


@pytest.mark.parametrize(
    ("recipe", "name", "rate"),
    [
        (PAPER, "reference_lore", "lr"),
        (PAPER_FEW_SHOT, "reference_lore", "few_lr"),
        (PAPER_REGULARISED, "reference_lore_regularised", "lr"),
    ],
    ids=["joint", "few shots", "regularised"],
)
def test_recipe_has_the_learning_rate_and_temperature_of_the_published_run(recipe, name, rate):
    numbers = golden(name)
    assert recipe.learning_rate == float(numbers[rate])
    assert recipe.temperature == float(numbers["temperature"])
