"""Principal angles agree with scipy's, and wrong rows are refused."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from worlds import normal

from lore_core.perfit.angles import angles
from lore_core.perfit.orthonormal import orthonormal


def test_angles_are_scipy_s():
    one, other = orthonormal(normal(3, 9)), orthonormal(normal(5, 9, seed=1))
    found = angles(one, other).numpy()
    expected = np.rad2deg(subspace_angles(one.numpy().T, other.numpy().T))[::-1]
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_direction_is_at_0_to_itself_and_at_90_to_what_it_is_not():
    eye = torch.eye(4)
    assert angles(eye[:2], eye[1:3]).tolist() == [0.0, 90.0]


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (torch.eye(4)[:2], torch.eye(5)[:2], "one has 4 features and other 5"),
        (2 * torch.eye(4)[:2], torch.eye(4)[:2], "rows of one are not orthonormal"),
        (torch.eye(4)[:2], torch.eye(4)[:2] * torch.nan, "other has NaN"),
    ],
)
def test_wrong_rows_are_refused(one, other, message):
    with pytest.raises(ValueError, match=message):
        angles(one, other)
