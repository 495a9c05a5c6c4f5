"""Intervals are as wide as they should be, leads are of the same users, shares are of the whole."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from worlds import normal, random

from lore_core.evaluation.bootstrap import Interval, Lead, bootstrap, lead, share


def skewed(n, seed=0):
    return normal(n, seed=seed).exp()


def scipys(statistic, *columns):
    """Another implementation of the percentile bootstrap, users drawn as a whole."""
    found = stats.bootstrap(
        [c.numpy() for c in columns],
        statistic,
        paired=True,
        n_resamples=4000,
        method="percentile",
        rng=0,
    )
    return found.confidence_interval, found.standard_error


def test_interval_is_a_percentile_interval_of_resampled_means():
    """For a mean of many values that is mean ± 1.96 standard errors."""
    values = normal(400)
    interval = bootstrap(values, random(0), repeats=4000)
    error = float(values.std()) / 20
    assert interval.mean == pytest.approx(float(values.mean()))
    assert interval.low == pytest.approx(interval.mean - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(interval.mean + 1.96 * error, abs=0.15 * error)


def test_a_higher_level_is_a_wider_interval():
    narrow, wide = (bootstrap(normal(100), random(0), level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_equal_users_leave_no_doubt():
    assert bootstrap(torch.full((9,), 0.75), random(0)) == Interval(0.75, 0.75, 0.75)


def test_users_without_pairs_are_left_out_of_the_mean():
    values = torch.tensor([0.0, torch.nan, 1.0])
    interval = bootstrap(values, random(0))
    assert interval == bootstrap(torch.tensor([0.0, 1.0]), random(0))
    assert interval.mean == 0.5


def test_nobody_with_a_pair_is_said():
    with pytest.raises(ValueError, match="no user has a pair, so there is nothing to average"):
        bootstrap(torch.full((3,), torch.nan), random(0))


def test_bootstrap_repeats_with_its_generator_and_differs_between_seeds():
    one, again, other = (bootstrap(normal(20), random(seed)) for seed in (0, 0, 1))
    assert one == again != other


def test_an_interval_prints_with_three_digits():
    assert str(Interval(0.88812, 0.87, 0.9)) == "0.888 [0.870, 0.900]"


def test_a_level_is_a_share():
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match=f"level is {level}, expected a share between 0 and 1"):
            bootstrap(normal(9), random(0), level)


def test_bootstrap_is_scipys():
    values = skewed(60)
    found = bootstrap(values, random(0), repeats=4000)
    (low, high), error = scipys(np.mean, values)
    assert found.low == pytest.approx(low, abs=0.15 * error)
    assert found.high == pytest.approx(high, abs=0.15 * error)


def test_a_lead_is_the_interval_of_the_users_differences():
    one, other = normal(50), normal(50, seed=1)
    ahead = lead(one, other, random(0), 0.9, 500)
    assert ahead[:3] == bootstrap(one - other, random(0), 0.9, 500)


def test_a_lead_worked_by_hand():
    """Two users ahead by 3 and by -1: resampled means are 3, 1, 1 and -1, each a quarter."""
    ahead = lead(torch.tensor([4.0, 0.0]), torch.tensor([1.0, 1.0]), random(0), repeats=20_000)
    assert ahead[:3] == (1.0, -1.0, 3.0)
    assert ahead.p == pytest.approx(2 / 4, abs=0.02)


def test_a_lead_that_no_resample_turns_has_the_smallest_p_there_is():
    ahead = lead(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 2.0]), random(0), repeats=500)
    assert ahead == Lead(1.0, 1.0, 1.0, 2 / 500)


def test_no_lead_at_all_has_p_one():
    assert lead(normal(9), normal(9), random(0)) == Lead(0.0, 0.0, 0.0, 1.0)


def test_p_is_that_of_a_z_test_for_many_users():
    gaps = normal(400)
    gaps = gaps - gaps.mean() + 1.5 * gaps.std() / 20
    ahead = lead(gaps, torch.zeros(400), random(0), repeats=4000)
    assert ahead.p == pytest.approx(2 * stats.norm.sf(1.5), abs=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_the_other_way_round_a_lead_is_a_lag(seed):
    one, other = normal(40, seed=seed), normal(40, seed=seed + 9)
    ahead, behind = lead(one, other, random(0)), lead(other, one, random(0))
    assert behind == pytest.approx((-ahead.mean, -ahead.high, -ahead.low, ahead.p))
    assert ahead.low < ahead.mean < ahead.high and 0 < ahead.p <= 1


def test_users_are_compared_with_themselves():
    """What all users share is no doubt about the difference."""
    hard = 100 * normal(40)
    ahead = lead(hard + 1, hard, random(0))
    assert ahead.high - ahead.low < 1e-9


def test_a_user_without_one_of_the_numbers_is_left_out_of_a_lead():
    one, other = torch.tensor([1.0, torch.nan, 3.0, 5.0]), torch.tensor([0.0, 7.0, torch.nan, 3.0])
    ahead = lead(one, other, random(0))
    assert ahead == lead(one[[0, 3]], other[[0, 3]], random(0)) and ahead.mean == 1.5
    with pytest.raises(ValueError, match="no user has a pair"):
        lead(one[1:3], other[1:3], random(0))


def test_a_share_worked_by_hand():
    """Two users, 1 of 1 and 0 of 3: resampled shares are 1, 1/4, 1/4 and 0."""
    part = share(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 3.0]), random(0))
    assert part == Interval(0.25, 0.0, 1.0)


def test_a_share_that_is_the_same_for_everybody_is_sure():
    assert share(skewed(9) / 4, skewed(9), random(0)) == pytest.approx((0.25, 0.25, 0.25))


def test_a_share_is_scipys_ratio_of_means():
    part, whole = skewed(60), skewed(60, seed=1)
    found = share(part, whole, random(0), repeats=4000)
    (low, high), error = scipys(lambda p, w, axis: p.mean(axis) / w.mean(axis), part, whole)
    assert found.mean == pytest.approx(float(part.mean() / whole.mean()))
    assert found.low == pytest.approx(low, abs=0.15 * error)
    assert found.high == pytest.approx(high, abs=0.15 * error)


@pytest.mark.parametrize("whole", [0.0, -1.0])
def test_there_is_no_share_of_nothing(whole):
    message = f"the whole is {whole} on average, expected more than 0"
    with pytest.raises(ValueError, match=message):
        share(torch.ones(3), torch.full((3,), whole), random(0))


def test_leads_and_shares_repeat_with_their_generator_and_differ_between_seeds():
    for measure in (lead, share):
        one, again, other = (
            measure(skewed(20), skewed(20, seed=1), random(seed)) for seed in (0, 0, 1)
        )
        assert one == again != other


# --- several seeds -----------------------------------------------------------------------------


def quantiles_of_all_draws(means, level):
    """By enumeration: every way to draw as many seeds as there are, each equally likely."""
    draws = np.array([*itertools.product(means, repeat=len(means))]).mean(1)
    bounds = [(1 - level) / 2, (1 + level) / 2]
    return np.quantile(draws, bounds, method="inverted_cdf")


@pytest.mark.parametrize("measure", [bootstrap, lead, share])
def test_one_seed_in_a_list_is_that_seed(measure):
    sides = [skewed(40, seed=seed) for seed in range(1 if measure is bootstrap else 2)]
    alone = measure(*sides, random(0))
    assert measure(*[[side] for side in sides], random(0)) == alone


@pytest.mark.parametrize("level", [0.95, 0.8, 0.5])
def test_where_users_agree_the_interval_is_that_of_all_draws_of_seeds(level):
    """Users of one seed are all equal, so the whole doubt is about the seed."""
    means = [0.0, 1.0, 5.0]
    seeds = [torch.full((n,), mean) for n, mean in zip((4, 7, 9), means, strict=True)]
    found = bootstrap(seeds, random(0), level, repeats=20_000)
    assert found.mean == 2.0
    assert found[1:] == pytest.approx(quantiles_of_all_draws(means, level))


def test_where_seeds_agree_the_interval_is_that_of_all_users_together():
    """Every seed has the same numbers, so the whole doubt is about the users."""
    users = normal(200)
    apart = bootstrap([users] * 3, random(0), repeats=4000)
    together = bootstrap(users.repeat(3), random(0), repeats=4000)
    error = float(users.std()) / 600**0.5
    assert apart == pytest.approx(together, abs=0.15 * error)


def test_seeds_that_differ_widen_the_interval_beyond_that_of_users():
    seeds = [normal(100, seed=seed) + shift for seed, shift in enumerate((-1, 0, 1))]
    apart = bootstrap(seeds, random(0))
    one = bootstrap(seeds[1], random(0))
    assert apart.high - apart.low > 2 * (one.high - one.low)


def test_every_seed_counts_equally_however_many_users_it_has():
    found = bootstrap([torch.zeros(90), torch.ones(10)], random(0))
    assert found.mean == 0.5


def test_users_without_a_number_are_left_out_of_their_seed():
    gap = torch.tensor([0.0, torch.nan, 1.0])
    found = bootstrap([gap, torch.ones(2)], random(0))
    assert found == bootstrap([torch.tensor([0.0, 1.0]), torch.ones(2)], random(0))
    with pytest.raises(ValueError, match="no user has a pair"):
        bootstrap([torch.ones(2), torch.full((3,), torch.nan)], random(0))


def test_a_lead_in_every_seed_by_the_same_is_sure():
    """Both sides draw the same seeds and the same users of them."""
    other = [100 * normal(n, seed=n) for n in (20, 30, 40)]
    ahead = lead([values + 1 for values in other], other, random(0), repeats=500)
    assert ahead == pytest.approx((1.0, 1.0, 1.0, 2 / 500))


def test_a_lead_that_turns_with_the_seed_is_in_doubt():
    """Ahead by 3, 3 and -4: of the 27 draws, 7 have the third seed twice or more."""
    gaps = [torch.full((5,), gap) for gap in (3.0, 3.0, -4.0)]
    ahead = lead(gaps, [torch.zeros(5)] * 3, random(0), repeats=20_000)
    assert ahead.p == pytest.approx(2 * 7 / 27, abs=0.02)


def test_a_share_over_seeds_is_that_of_the_means_over_seeds():
    """Parts 1 and 0 of wholes 1 and 3: draws of two seeds give 1, 1/4, 1/4 and 0."""
    part, whole = [torch.ones(3), torch.zeros(4)], [torch.ones(3), torch.full((4,), 3.0)]
    assert share(part, whole, random(0)) == Interval(0.25, 0.0, 1.0)


def test_two_sides_are_of_the_same_seeds():
    with pytest.raises(ValueError, match="one is of 2 seeds but other of 1; give both the same"):
        lead([normal(4), normal(4)], normal(4), random(0))
    with pytest.raises(ValueError, match="part has 4 rows but whole has 3"):
        share([normal(4), normal(4)], [normal(4), normal(3)], random(0))
