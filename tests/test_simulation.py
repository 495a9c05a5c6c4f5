"""Synthetic crowds have the tastes they were asked to have, and choose by them."""

import pytest
import torch
from worlds import pairs, random, toy_responses, triples

from lore_core import Responses
from lore_core.simulation.labels import (
    best_and_worst,
    better_of_two,
    choice_probability,
    choose,
    draw_prompts,
    noisy_choices,
)
from lore_core.simulation.planted import planted_responses
from lore_core.simulation.tastes import dirichlet_tastes


def world(*traits, prompt=None):
    """Responses with the given rows of traits, all candidates of one prompt unless said."""
    table = torch.tensor(traits, dtype=torch.float64)
    return Responses(table, prompt or [0] * len(traits), table)


def questions(*rows):
    return torch.tensor(rows)


@pytest.mark.parametrize("concentration", [0.1, 1.0, 10.0])
def test_tastes_have_the_mean_and_variance_of_the_dirichlet(concentration):
    n, t = 20_000, 4
    tastes = dirichlet_tastes(n, t, concentration, random(0))
    variance = (1 / t) * (1 - 1 / t) / (t * concentration + 1)
    assert (tastes.mean(0) - 1 / t).abs().max() < 4 * (variance / n) ** 0.5
    assert tastes.var(0).numpy() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("concentration", [0.001, 0.1, 1000.0])
def test_tastes_lie_on_the_simplex_at_any_concentration(concentration):
    tastes = dirichlet_tastes(500, 10, concentration, random(0))
    assert tastes.shape == (500, 10) and tastes.dtype == torch.float64
    assert tastes.isfinite().all() and (tastes >= 0).all()
    torch.testing.assert_close(tastes.sum(1), torch.ones(500, dtype=torch.float64))


def test_a_small_concentration_makes_specialists():
    assert dirichlet_tastes(200, 5, 0.001, random(0)).amax(1).mean() > 0.98


def test_tastes_repeat_with_their_generator_and_differ_between_seeds():
    one, again, other = (dirichlet_tastes(5, 3, 0.1, random(s)) for s in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


@pytest.mark.parametrize("concentration", [0.0, -1.0, float("nan")])
def test_concentration_is_positive(concentration):
    with pytest.raises(ValueError, match=f"concentration is {concentration}, expected .* above 0"):
        dirichlet_tastes(5, 3, concentration, random(0))


def test_each_user_is_asked_about_different_prompts_in_random_order():
    pool = torch.tensor([3, 5, 8, 13, 21])
    prompts = draw_prompts(pool, 400, 3, random(0))
    assert prompts.shape == (400, 3)
    assert all(len(set(row)) == 3 and set(row) <= set(pool.tolist()) for row in prompts.tolist())
    for place in prompts.T:
        shares = torch.stack([(place == prompt).double().mean() for prompt in pool])
        assert (shares - 1 / 5).abs().max() < 0.08  # 4 standard errors


def test_prompts_repeat_with_their_generator_and_differ_between_seeds():
    one, again, other = (draw_prompts(torch.arange(9), 4, 3, random(s)) for s in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_nobody_can_be_asked_more_prompts_than_there_are():
    with pytest.raises(ValueError, match="asked for 4 different prompts per user, .* only 3 "):
        draw_prompts(torch.arange(3), 2, 4, random(0))


def test_users_prefer_their_own_best_candidate_to_their_own_worst():
    responses = world([3.0, 0.0], [2.0, 1.0], [0.0, 2.0])
    tastes = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], dtype=torch.float64)
    labels = best_and_worst(responses, tastes, questions([0], [0], [0]), random(0))
    assert triples(labels)[:2] == [(0, 0, 2), (1, 2, 0)]
    assert triples(labels)[2][2] == 2  # 1.5 and 1.5 against 1.0


def test_ties_are_broken_at_random():
    responses = world([1.0], [1.0], [0.0], [0.0])
    tastes, n = torch.ones(1000, 1, dtype=torch.float64), 1000
    labels = best_and_worst(responses, tastes, torch.zeros(n, 1, dtype=torch.long), random(0))
    best, worst = labels.chosen.bincount(minlength=4), labels.rejected.bincount(minlength=4)
    assert best[:2].sum() == n and worst[2:].sum() == n
    assert (best[:2] / n - 0.5).abs().max() < 0.06 and (worst[2:] / n - 0.5).abs().max() < 0.06


def test_a_user_who_finds_all_candidates_equal_gives_no_pair():
    responses = world([1.0, 0.0], [1.0, 5.0], [1.0, 9.0])
    tastes = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    labels = best_and_worst(responses, tastes, questions([0], [0]), random(0))
    assert triples(labels) == [(1, 2, 0)] and labels.n_users == 2


def test_of_two_random_candidates_the_better_one_is_chosen():
    responses, n = world([3.0], [2.0], [2.0], [0.0]), 4000
    tastes, asked = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, n, dtype=torch.long)
    labels = triples(better_of_two(responses, tastes, asked, random(0)))
    assert set(labels) == {(0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 1, 3), (0, 2, 3)}
    # the first is any of four; whoever draws one of the equal ones draws the other of two others
    expected = {(0, 0, 3): 1 / 4 * 2 / 3, (0, 0, 1): 1 / 12 + 1 / 8, (0, 2, 3): 1 / 12 + 1 / 8}
    for pair, share in expected.items():
        assert labels.count(pair) / n == pytest.approx(share, abs=0.026)  # 4 standard errors


def test_of_two_random_candidates_nobody_prefers_one_that_they_find_equal():
    responses = world([1.0, 0.0], [1.0, 5.0], [1.0, 9.0])
    tastes = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    labels = better_of_two(responses, tastes, questions([0], [0]), random(0))
    assert labels.user.tolist() == [1] and labels.n_users == 2
    assert labels.chosen[0] > labels.rejected[0]


def test_pairs_stay_within_the_prompt_that_was_asked():
    responses = toy_responses()
    tastes, asked = (
        dirichlet_tastes(6, 3, 1.0, random(0)),
        draw_prompts(torch.arange(15), 6, 4, random(1)),
    )
    for labels in (
        best_and_worst(responses, tastes, asked, random(2)),
        better_of_two(responses, tastes, asked, random(2)),
        noisy_choices(responses, tastes, asked, 1.0, random(2)),
    ):
        assert responses.prompt[labels.chosen].tolist() == asked.flatten().tolist()
        assert responses.prompt[labels.rejected].tolist() == asked.flatten().tolist()
        assert labels.user.tolist() == torch.arange(6).repeat_interleave(4).tolist()


def test_prompt_ids_need_not_run_from_zero():
    responses = world([1.0], [0.0], [1.0], [0.0], prompt=[2, 2, 1, 1])
    tastes = torch.ones(1, 1, dtype=torch.float64)
    labels = best_and_worst(responses, tastes, questions([1, 2]), random(0))
    assert triples(labels) == [(0, 2, 3), (0, 0, 1)]


def test_choice_probability_is_the_logistic_of_the_utility_gap():
    responses = world([2.0, 0.0], [0.0, 1.0])
    tastes = torch.tensor([[0.5, 0.5], [0.0, 1.0]], dtype=torch.float64)
    probability = choice_probability(responses, tastes, pairs((0, 0, 1), (1, 0, 1)), 0.5)
    gaps = torch.tensor([0.5, -1.0], dtype=torch.float64)
    torch.testing.assert_close(probability, 1 / (1 + (-gaps / 0.5).exp()))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_noisy_choices_are_as_frequent_as_the_bradley_terry_rule_says(temperature):
    responses, n = world([1.2], [0.4]), 20_000
    tastes, asked = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, n, dtype=torch.long)
    labels = noisy_choices(responses, tastes, asked, temperature, random(0))
    expected = float(torch.tensor(0.8 / temperature).sigmoid())
    error = (expected * (1 - expected) / n) ** 0.5
    assert float((labels.chosen == 0).double().mean()) == pytest.approx(expected, abs=4 * error)


def test_noisy_choices_compare_every_two_candidates():
    responses = world([1.0], [1.0], [1.0])
    tastes, asked = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 300, dtype=torch.long)
    labels = noisy_choices(responses, tastes, asked, 1.0, random(0))
    assert len(set(triples(labels))) == 6


def test_with_hardly_any_noise_the_better_one_is_chosen_whatever_the_order():
    responses, tastes = world([1.0], [0.0]), torch.ones(1, 1, dtype=torch.float64)
    labels = choose(responses, tastes, pairs((0, 0, 1), (0, 1, 0)), 1e-3, random(0))
    assert triples(labels) == [(0, 0, 1), (0, 0, 1)]


@pytest.mark.parametrize(
    "draw", [best_and_worst, better_of_two, lambda *a: noisy_choices(*a[:3], 1.0, a[3])]
)
def test_labels_repeat_with_their_generator_and_differ_between_seeds(draw):
    responses = world(*[[1.0]] * 3, [0.0])  # a tie of three, so that the generator matters
    tastes, asked = torch.ones(20, 1, dtype=torch.float64), torch.zeros(20, 1, dtype=torch.long)
    one, again, other = (triples(draw(responses, tastes, asked, random(s))) for s in (0, 0, 1))
    assert one == again != other


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_temperature_is_positive(temperature):
    tastes = torch.ones(1, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match=f"temperature is {temperature}, expected .* above 0"):
        noisy_choices(world([1.0], [0.0]), tastes, questions([0]), temperature, random(0))


def test_users_need_traits_to_choose_by():
    without = Responses(torch.eye(2), [0, 0])
    with pytest.raises(ValueError, match="no traits for users to mix; give traits"):
        best_and_worst(without, torch.ones(1, 2), questions([0]), random(0))


@pytest.mark.parametrize(
    ("tastes", "asked"), [((1, 3), (1, 1)), ((2, 2), (1, 1))], ids=["traits", "users"]
)
def test_tastes_and_prompts_have_to_fit(tastes, asked):
    responses = world([1.0, 0.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="do not fit (2 traits|each other); expected"):
        best_and_worst(
            responses, torch.ones(tastes), torch.zeros(asked, dtype=torch.long), random(0)
        )


def test_planted_traits_are_linear_in_the_embeddings_along_orthonormal_directions():
    responses, truth = planted_responses(500, 2, 6, 3, random(0))
    torch.testing.assert_close(responses.traits, responses.embeddings @ truth)
    torch.testing.assert_close(truth.T @ truth, torch.eye(3, dtype=torch.float64))
    assert responses.candidates.shape == (500, 2) and len(responses.trait_names) == 3
    assert float(responses.embeddings.std()) == pytest.approx(1, abs=0.05)


def test_planted_responses_repeat_with_their_generator_and_differ_between_seeds():
    one, again, other = (planted_responses(4, 2, 3, 2, random(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(one.traits, again.traits) and not torch.equal(one.traits, other.traits)
