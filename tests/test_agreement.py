"""How far two groupings agree."""

import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from lore_core.evaluation.agreement import mutual_information
from lore_core.tools import draws


@pytest.mark.parametrize("seed", range(5))
def test_it_is_scikit_learns(seed):
    source = draws.generator(seed)
    one, other = (draws.order(source, 60) % n for n in (3, 5))
    wanted = normalized_mutual_info_score(one, other)
    assert mutual_information(one, other) == pytest.approx(wanted, abs=1e-9)


def test_the_same_groups_under_other_names_agree_wholly():
    one = torch.arange(20) % 4
    assert mutual_information(one, (one + 1) % 4) == pytest.approx(1)


def test_one_group_agrees_with_itself_and_with_nothing_else():
    same = torch.zeros(6, dtype=torch.long)
    assert mutual_information(same, same) == 1
    assert mutual_information(same, torch.arange(6) % 2) == pytest.approx(0)


def test_groupings_of_other_users_are_refused():
    with pytest.raises(ValueError, match="one has 3 rows but other has 2"):
        mutual_information(torch.arange(3), torch.arange(2))
