"""Whom a new user is like: Bayes' rule over the seen users, however the pairs are cut up."""

import pytest
import torch
from worlds import normal, toy_pairs

from lore_core import likeness as module
from lore_core.likeness import likeness


@pytest.mark.parametrize("cells", [1, 30, 2**16])
def test_likeness_is_bayes_rule_pair_by_pair(monkeypatch, cells):
    monkeypatch.setattr(module, "CELLS", cells)  # 1: every user's pairs are in several parts
    some, margins = toy_pairs(n_users=5), normal(60, 4)
    expected = torch.ones(5, 4, dtype=torch.float64)
    for user, row in zip(some.user.tolist(), margins, strict=True):
        expected[user] *= row.sigmoid()
    expected = expected / expected.sum(1, keepdim=True)
    torch.testing.assert_close(likeness(lambda b: margins[b], some, 4), expected)


def test_likeness_of_single_precision_margins_is_added_up_in_double():
    found = likeness(lambda b: normal(60, 4).float()[b], toy_pairs(), 4)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.sum(1), torch.ones(5, dtype=torch.float64), rtol=1e-12, atol=0)
