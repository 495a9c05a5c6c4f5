"""Accuracies count what they should, controls control."""

import pytest
import torch
from worlds import normal, pairs, planted, random, shuffled, swapped, toy_pairs

from lore_core import LowRankReward, Responses, accuracy, fit_basis
from lore_core.evaluation.alignment import alignment
from lore_core.evaluation.controls import other_users
from lore_core.evaluation.study import BLOCKS

LINE = Responses(
    torch.arange(4.0)[:, None], [0, 0, 0, 0]
)  # four responses, each better than the last
UP = LowRankReward.fixed(torch.ones(1), 3)


def test_accuracy_is_each_users_share_of_pairs_ranked_as_they_ranked_them():
    asked = pairs((0, 1, 0), (0, 2, 0), (0, 0, 3), (1, 3, 2), (2, 0, 1))
    assert accuracy(UP, LINE, asked).tolist() == pytest.approx([2 / 3, 1, 0])


def test_a_tie_is_not_a_win():
    level = Responses(torch.ones(4, 1), [0, 0, 0, 0])
    assert accuracy(UP, level, pairs((0, 1, 0), (1, 0, 1), (2, 2, 1))).tolist() == [0, 0, 0]


def test_a_user_without_pairs_has_no_accuracy():
    scores = accuracy(UP, LINE, pairs((0, 1, 0), (2, 1, 0), n_users=3))
    assert scores.isnan().tolist() == [False, True, False]


def test_accuracy_is_that_of_the_weights_given():
    both = LowRankReward(torch.tensor([[1.0, -1.0]]), torch.zeros(1, 2))
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert accuracy(both, LINE, pairs((0, 1, 0), (1, 1, 0)), weights).tolist() == [1, 0]


@pytest.mark.parametrize("seed", range(3))
def test_order_of_pairs_does_not_matter_and_the_opposite_preferences_are_the_rest(seed):
    reward, responses = (
        LowRankReward(normal(6, 3), normal(5, 3)),
        Responses(normal(60, 6), [0] * 60),
    )
    asked = toy_pairs(seed=seed)
    scores = accuracy(reward, responses, asked)
    assert torch.equal(accuracy(reward, responses, shuffled(asked)), scores)
    torch.testing.assert_close(accuracy(reward, responses, swapped(asked)), 1 - scores)


def test_pairs_of_other_responses_are_refused():
    with pytest.raises(
        ValueError, match="points to response 9, but there are 4 .*do the pairs belong"
    ):
        accuracy(UP, LINE, pairs((0, 9, 0), n_users=3))


def test_accuracy_says_when_the_users_are_not_those_of_the_fit():
    with pytest.raises(ValueError, match=r"weights have shape \(3, 1\), expected \(2, 1\)"):
        accuracy(UP, LINE, pairs((0, 1, 0), n_users=2))


def test_a_share_is_won_where_the_margin_is_above_zero():
    asked = pairs((0, 1, 0), (0, 2, 0), (2, 0, 3), (2, 3, 2), (2, 0, 1), n_users=3)
    shares = asked.share_won(torch.tensor([1.0, 0.0, 1e-9, -1e-9, torch.inf]))
    assert shares[[0, 2]].tolist() == pytest.approx([1 / 2, 2 / 3]) and shares[1].isnan()


@pytest.mark.parametrize("n", [2, 3, 10])
def test_shuffled_users_get_everybodys_weights_but_never_their_own(n):
    weights = torch.arange(float(n))[:, None]
    for seed in range(20):
        given = other_users(weights, random(seed))
        assert (given != weights).all()
        assert given.flatten().sort().values.tolist() == weights.flatten().tolist()


def test_shuffling_repeats_with_its_generator_and_differs_between_seeds():
    one, again, other = (other_users(normal(20, 2), random(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_shuffling_needs_two_users():
    with pytest.raises(ValueError, match="needs at least two users"):
        other_users(torch.ones(1, 2), random(0))


def test_somebody_elses_weights_predict_worse_than_ones_own():
    study = planted()
    reward, asked = fit_basis(study.responses, study.train, 3).reward, study.tests[BLOCKS[1]]
    own = accuracy(reward, study.responses, asked).mean()
    others = accuracy(reward, study.responses, asked, other_users(reward.weights, random(0))).mean()
    assert others < own - 0.1


def test_alignment_finds_each_true_column_whatever_the_order_and_length():
    truth = normal(6, 3)
    moved = truth[:, [2, 0, 1]] * torch.tensor([0.1, 5.0, 2.0])
    torch.testing.assert_close(alignment(moved, truth), torch.ones(3, dtype=torch.float64))


def test_alignment_worked_by_hand():
    """Every column is matched once; the opposite of a column is not that column."""
    found = torch.tensor([[0.8, 2.0], [0.6, 0.0]])
    assert alignment(found, torch.eye(2)).tolist() == pytest.approx([1, 0.6])
    assert alignment(-found[:, :1], torch.eye(2)[:, :1]).tolist() == pytest.approx([-0.8])


def test_alignment_needs_as_many_columns_as_were_planted():
    with pytest.raises(ValueError, match=r"basis has shape \(6, 2\), truth \(6, 3\)"):
        alignment(normal(6, 2), normal(6, 3))
