"""A low-rank reward mixes basis rewards by the user's weights, and survives its file."""

import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from sklearn.linear_model import Ridge
from worlds import normal, pairs, properties, swapped, toy_pairs

from lore_core import LowRankReward, Responses
from lore_core.reference import reference_direction


def some(n_users=5, rank=3, d=6, seed=0):
    return LowRankReward(normal(d, rank, seed=seed), normal(n_users, rank, seed=seed + 1))


def of(embeddings):
    """Responses to one prompt."""
    return Responses(embeddings, [0] * len(embeddings))


def by_hand():
    """Two users on two basis rewards: half and half, and three quarters to one quarter."""
    basis = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    logits = torch.tensor([[0.0, 0.0], [3.0, 1.0]]).clamp(min=1.0).log()
    return LowRankReward(basis, logits)


def test_weights_are_the_softmax_of_each_users_logits():
    torch.testing.assert_close(by_hand().weights, torch.tensor([[0.5, 0.5], [0.75, 0.25]]))


def test_crowd_weights_are_the_mean_of_the_users():
    torch.testing.assert_close(by_hand().crowd_weights, torch.tensor([0.625, 0.375]))


def test_rank_is_the_number_of_columns():
    assert by_hand().rank == 2 and some(rank=4).rank == 4


def test_basis_scores_gaps_and_margins_worked_by_hand():
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    torch.testing.assert_close(
        by_hand().basis_scores(embeddings), torch.tensor([[1.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    )
    asked = pairs((0, 0, 1), (1, 0, 1), (1, 2, 0))
    gaps = by_hand().gaps(of(embeddings), asked)
    torch.testing.assert_close(gaps, torch.tensor([[1.0, -2.0], [1.0, -2.0], [1.0, 2.0]]))
    margins = by_hand().margins(of(embeddings), asked)
    torch.testing.assert_close(margins, torch.tensor([-0.5, 0.25, 1.25]))


def test_margins_take_the_weights_of_other_users():
    embeddings, weights = torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    asked = pairs((0, 0, 1), (1, 0, 1), (2, 0, 1))
    margins = by_hand().margins(of(embeddings), asked, weights)
    torch.testing.assert_close(margins, torch.tensor([1.0, -2.0, -0.5]))


@properties
@given(seed=st.integers(0, 999))
def test_swapping_chosen_and_rejected_negates_margins(seed):
    responses, asked = of(normal(60, 6, seed=seed)), toy_pairs(seed=seed)
    margins = some(seed=seed).margins(responses, asked)
    assert torch.equal(some(seed=seed).margins(responses, swapped(asked)), -margins)


@properties
@given(seed=st.integers(0, 999))
def test_margins_and_mixed_gaps_are_the_difference_of_two_rewards(seed):
    """The definition, r_u(x) = e(x) · V · w_u, pair by pair."""
    model, embeddings, asked = some(seed=seed), normal(60, 6, seed=seed), toy_pairs(seed=seed)
    rewards = embeddings @ model.basis @ model.logits.softmax(1).T  # (M, N)
    expected = rewards[asked.chosen, asked.user] - rewards[asked.rejected, asked.user]
    mixed = (model.gaps(of(embeddings), asked) * model.weights[asked.user]).sum(1)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(model.margins(of(embeddings), asked), expected)


def test_what_all_compared_embeddings_share_takes_no_digits_from_gaps():
    rows, asked = normal(60, 6), toy_pairs()
    far = torch.tensor([0.0, 1e7, 0.0, 0.0, 0.0, 0.0]).double()
    torch.testing.assert_close(
        some().gaps(of(rows + far), asked), some().gaps(of(rows), asked), rtol=1e-7, atol=1e-7
    )


def test_a_fixed_reference_is_one_direction_for_everybody():
    fixed = LowRankReward.fixed(torch.tensor([1.0, -2.0]), 3)
    assert torch.equal(fixed.weights, torch.ones(3, 1))
    assert fixed.basis_scores(torch.eye(2)).flatten().tolist() == [1.0, -2.0]


@pytest.mark.parametrize(
    ("basis", "logits", "message"),
    [
        (
            torch.ones(4, 2),
            torch.ones(3, 3),
            r"basis \(4, 2\) and logits \(3, 3\) must have the same",
        ),
        (torch.ones(4, 0), torch.ones(3, 0), "same number of columns K, at least 1"),
        (
            torch.ones(4),
            torch.ones(3, 1),
            r"basis has shape \(4,\).*expected a floating-point table",
        ),
        (torch.ones(4, 1), torch.ones(3, 1).long(), "logits has .*int64.*expected a floating"),
        (torch.ones(4, 1) / 0, torch.ones(3, 1), "basis has NaN or infinite values in 4 rows"),
        (torch.ones(4, 1), torch.ones(3, 1) * torch.nan, "logits has NaN or infinite values in 3"),
    ],
)
def test_reward_says_which_part_is_wrong(basis, logits, message):
    with pytest.raises(ValueError, match=message):
        LowRankReward(basis, logits)


def test_embeddings_of_another_width_are_refused():
    with pytest.raises(
        ValueError, match="embeddings have 5 features, the basis has 6; use the embed"
    ):
        some().basis_scores(normal(4, 5))


@pytest.mark.parametrize("weights", [None, torch.ones(3, 3)], ids=["fitted", "given"])
def test_margins_need_one_row_of_weights_per_user(weights):
    with pytest.raises(ValueError, match=r"expected \(7, 3\): one row per user.*fit_weights"):
        some().margins(of(normal(60, 6)), toy_pairs(n_users=7), weights)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    path = tmp_path / "reward.safetensors"
    some().save(path)
    loaded = LowRankReward.load(path)
    assert torch.equal(loaded.basis, some().basis) and torch.equal(loaded.logits, some().logits)


def test_a_reward_of_views_can_be_saved(tmp_path):
    model = LowRankReward(normal(3, 6).T, normal(3, 5).T)
    model.save(tmp_path / "reward")
    assert torch.equal(LowRankReward.load(tmp_path / "reward").basis, model.basis)


def test_saving_leaves_no_other_file(tmp_path):
    some().save(tmp_path / "reward")
    assert [path.name for path in tmp_path.iterdir()] == ["reward"]


def test_an_interrupted_save_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "reward"
    some(seed=0).save(path)

    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        some(seed=9).save(path)
    assert torch.equal(LowRankReward.load(path).basis, some(seed=0).basis)


def damage(path, how):
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"not a model"}[how])


@pytest.mark.parametrize("how", ["empty", "cut", "text"])
def test_a_damaged_file_is_named(tmp_path, how):
    path = tmp_path / "reward"
    some().save(path)
    damage(path, how)
    with pytest.raises(ValueError, match=f"{path} is not a saved LowRankReward .*; save it again"):
        LowRankReward.load(path)


@pytest.mark.parametrize(
    "tensors",
    [
        {"basis": torch.ones(4, 2)},
        {"basis": torch.ones(4, 2), "logits": torch.ones(3, 3)},
        {"basis": torch.ones(4, 2) / 0, "logits": torch.ones(3, 2)},
    ],
    ids=["a part missing", "shapes disagree", "not finite"],
)
def test_a_file_that_holds_something_else_is_named(tmp_path, tensors):
    save_file(tensors, tmp_path / "other")
    with pytest.raises(ValueError, match="other is not a saved LowRankReward"):
        LowRankReward.load(tmp_path / "other")


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        LowRankReward.load(tmp_path / "nowhere")


def test_moving_keeps_everything():
    moved = some().to("cpu")
    assert torch.equal(moved.basis, some().basis) and torch.equal(moved.logits, some().logits)


@pytest.mark.parametrize("ridge", [0.1, 1.0, 100.0])
def test_reference_direction_is_ridge_regression(ridge):
    embeddings, score = normal(50, 6) + 3, normal(50, seed=1) - 2
    unit = float((embeddings - embeddings.mean(0)).square().sum(1).mean())
    expected = Ridge(alpha=ridge * unit).fit(embeddings.numpy(), score.numpy()).coef_
    direction = reference_direction(embeddings, score, ridge)
    assert direction.numpy() == pytest.approx(expected, rel=1e-8)


def test_the_unit_of_the_embeddings_changes_no_prediction_of_a_reference():
    embeddings, score = normal(50, 6), normal(50, seed=1)
    one, other = (reference_direction(size * embeddings, score) for size in (1, 30))
    torch.testing.assert_close(30 * embeddings @ other, embeddings @ one)


def test_a_constant_added_to_embeddings_or_scores_changes_no_reference():
    embeddings, score = normal(60, 5), normal(60)
    moved = reference_direction(embeddings + 3, score - 7)
    here = reference_direction(embeddings, score)
    torch.testing.assert_close(moved, here, atol=1e-9, rtol=1e-7)


def test_reference_direction_finds_the_direction_of_a_linear_score():
    embeddings, truth = normal(50, 6), normal(6, seed=1)
    direction = reference_direction(embeddings, embeddings @ truth + 5, ridge=1e-9)
    torch.testing.assert_close(direction, truth, rtol=1e-6, atol=1e-6)


def test_a_reward_has_at_least_one_user():
    with pytest.raises(ValueError, match="number of users is 0, expected .* at least 1"):
        LowRankReward(normal(4, 2), normal(0, 2))
