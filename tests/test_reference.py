"""The reference is scikit-learn's ridge regression, in the embeddings' own unit."""

import pytest
import torch
from sklearn.linear_model import Ridge
from worlds import normal

from lore_core.reference import reference_direction

E, SCORE = normal(60, 5), normal(60)


@pytest.mark.parametrize("ridge", [0.01, 1.0, 100.0])
def test_it_is_scikit_learns_ridge_regression(ridge):
    unit = (E - E.mean(0)).square().sum(1).mean()
    oracle = Ridge(alpha=ridge * float(unit)).fit(E.numpy(), SCORE.numpy()).coef_
    found = reference_direction(E, SCORE, ridge)
    torch.testing.assert_close(found, torch.from_numpy(oracle), atol=1e-9, rtol=1e-7)


def test_the_unit_of_the_embeddings_changes_no_prediction():
    one, other = reference_direction(E, SCORE), reference_direction(30 * E, SCORE)
    torch.testing.assert_close(30 * E @ other, E @ one)


def test_a_constant_added_to_embeddings_or_scores_changes_nothing():
    moved = reference_direction(E + 3, SCORE - 7)
    torch.testing.assert_close(moved, reference_direction(E, SCORE), atol=1e-9, rtol=1e-7)
