"""What networks share: inputs of unit size, checked data, starts and draws from a seed."""

import math
from itertools import islice

import pytest
import torch
from scipy.stats import kstest
from torch import nn
from worlds import normal, pairs, planted, random, shuffled, toy_pairs, toy_responses, triples

from lore_core import accuracy
from lore_core.methods import PAL, VPL, NewUser, PALBModel, Schedule
from lore_core.methods.networks import Standardised, TrainingData, build, deliver, validator
from lore_core.tools.draws import Draws

SMALL = {
    "VPL": VPL(
        hidden=8, latent=4, users=20, learning_rate=1e-2, schedule=Schedule(60, evaluations=6)
    ),
    "PAL-A": PAL(
        rank=3, layers=0, batch=64, personal_rate=0.1, schedule=Schedule(60, evaluations=6)
    ),
    "PAL-B": PAL(PALBModel, 3, 5, 1, 64, 1e-2, 0.1, schedule=Schedule(60, evaluations=6)),
}
CPU = torch.device("cpu")


def data(some=None, validation=None):
    some = toy_pairs() if some is None else some
    return TrainingData.of(toy_responses(), some, validation, 0, "cpu")


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.inputs = Standardised(6)
        self.linear = nn.Linear(6, 2)


# --- inputs --------------------------------------------------------------------------------------


def test_standardised_rows_have_mean_zero_and_entries_of_size_one():
    rows, inputs = 5 + 3 * torch.randn(40, 6, generator=random(0)), Standardised(6)
    inputs.measure(rows)
    after = inputs(rows)
    torch.testing.assert_close(after.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    assert float(after.square().mean()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(after * inputs.rms + rows.mean(0), rows, check_dtype=False)


def test_rows_without_spread_are_refused():
    with pytest.raises(ValueError, match="have standard deviation 0.0, expected a number above 0"):
        Standardised(3).measure(torch.full((4, 3), 0.1))


@pytest.mark.parametrize("factor", [1e-30, 1e25])
def test_inputs_of_any_size_become_the_same_rows(factor):
    one, other = Standardised(3), Standardised(3)
    rows = normal(9, 3).float()
    one.measure(rows)
    other.measure(rows * factor)
    torch.testing.assert_close(other(rows * factor), one(rows))


def test_a_large_common_part_takes_no_digits():
    one, other = Standardised(3), Standardised(3)
    rows, far = normal(9, 3), torch.tensor([0.0, 1e9, 0.0], dtype=torch.float64)
    one.measure(rows)
    other.measure(rows + far)
    torch.testing.assert_close(other(rows + far), one(rows), rtol=1e-5, atol=1e-5)


def test_rows_in_another_unit_than_those_of_training_are_refused():
    inputs = Standardised(3)
    inputs.measure(normal(9, 3))
    with pytest.raises(ValueError, match="standard deviations from those of training.*same unit"):
        inputs(1e9 * normal(9, 3))


def test_nothing_in_the_inputs_is_trained_but_all_of_it_is_saved():
    inputs = Standardised(3)
    assert not list(inputs.parameters()) and set(inputs.state_dict()) == {"mean", "rms"}


# --- training data and starts --------------------------------------------------------------------


def test_training_data_have_one_order_of_the_pairs():
    assert triples(data(shuffled(toy_pairs())).pairs) == triples(data().pairs)


def test_training_data_are_checked():
    with pytest.raises(ValueError, match="no pairs to learn from; give at least one"):
        data(pairs(n_users=2))
    with pytest.raises(ValueError, match="points to response 60, but there are 60"):
        data(pairs((0, 60, 1)))
    with pytest.raises(ValueError, match="validation has 4 users, training 5; expected the same"):
        data(validation=pairs((0, 1, 2), n_users=4))


def test_users_without_pairs_are_filled_with_the_mean_of_the_others():
    some = data(toy_pairs().select((toy_pairs().user != 1) & (toy_pairs().user != 3)))
    personal = normal(5, 4)
    filled = some.filled(personal)
    assert torch.equal(filled[[0, 2, 4]], personal[[0, 2, 4]])
    torch.testing.assert_close(filled[[1, 3]], personal[[0, 2, 4]].mean(0).expand(2, -1))


def test_only_rows_of_training_pairs_are_measured():
    model = build(Tiny, data(pairs((0, 3, 7), (1, 3, 20))), 0)
    rows = toy_responses().embeddings[[3, 7, 20]]
    torch.testing.assert_close(model.inputs.mean, rows.mean(0))


def test_a_network_starts_from_its_seed_and_leaves_other_draws_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, again, other = (build(Tiny, data(), seed).linear.weight for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one, again) and not torch.equal(one, other)


@pytest.mark.parametrize("name", SMALL)
def test_training_leaves_other_draws_alone_and_does_not_depend_on_them(name):
    fit = lambda: SMALL[name].fit(toy_responses(), toy_pairs(), device="cpu").personal  # noqa: E731
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one = fit()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(fit(), one)


def test_a_delivered_network_is_trained_no_further():
    model = build(Tiny, data(), 0)
    assert deliver(model, CPU) is model
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_network_that_has_run_away_is_not_delivered(bad):
    model = build(Tiny, data(), 0)
    with torch.no_grad():
        model.linear.bias[1] = bad
    with pytest.raises(
        ValueError, match="linear.bias: 1 of 2 .*; training has run away; try small"
    ):
        deliver(model, CPU)


# --- validation ----------------------------------------------------------------------------------


def toy_model():
    method = PAL(rank=2, layers=0, schedule=Schedule(0), new_user=NewUser())
    return method.fit(toy_responses(), toy_pairs(), device="cpu")


def test_without_validation_pairs_there_is_no_validation_loss():
    assert validator(toy_model(), data()) is None
    assert validator(toy_model(), data(validation=pairs(n_users=5))) is None


def test_the_validation_loss_is_lower_the_more_pairs_are_won():
    """Minus the mean accuracy of the users who have validation pairs."""
    asked = toy_pairs().select(toy_pairs().user > 0)
    shares = accuracy(toy_model(), toy_responses(), asked)
    validate = validator(toy_model(), data(validation=asked))
    assert validate() == pytest.approx(-float(shares[1:].mean())) and shares[0].isnan()


def test_the_validation_loss_is_that_of_the_model_as_it_is_now_once_it_is_prepared():
    model, worst = toy_model(), toy_pairs()
    validate = validator(
        model, data(validation=worst), lambda: model.logits.copy_(torch.zeros(5, 2))
    )
    model.logits.copy_(9 * normal(5, 2))
    even = float(accuracy(model, toy_responses(), worst, torch.full((5, 2), 0.5)).mean())
    assert validate() == pytest.approx(-even)
    torch.testing.assert_close(model.personal, torch.full((5, 2), 0.5))


@pytest.mark.parametrize("name", SMALL)
def test_with_validation_pairs_a_network_is_the_best_of_its_evaluations(name):
    """The same run without them passes through the same parameters, and goes on to the end."""
    world, method = planted(), SMALL[name]
    fit = lambda validation: method.fit(  # noqa: E731
        world.responses, world.train, validation=validation, seed=0, device="cpu"
    )
    scores = []
    for validation in (world.validation, shuffled(world.validation)):
        chosen = fit(validation)
        scores.append(float(accuracy(chosen, world.responses, world.validation).mean()))
    last = accuracy(fit(None), world.responses, world.validation).mean()
    assert scores[0] == scores[1] >= float(last)


# --- draws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 4, 5, 9, 20])
def test_batches_hold_every_id_once_in_each_pass(size):
    ids = torch.arange(9) * 3
    passes = -(-9 // size)
    batches = list(islice(Draws(0, CPU).batches(ids, size), 3 * passes))
    orders = [torch.cat(batches[i : i + passes]).tolist() for i in range(0, 3 * passes, passes)]
    assert all(sorted(order) == ids.tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert all(len(batch) <= size for batch in batches)


def test_draws_are_distributed_as_they_are_called():
    """Kolmogorov and Smirnov: such samples, or less likely ones, come once in a thousand times."""
    draws = Draws(0, CPU)
    assert kstest(draws.normal(4000).numpy(), "norm").pvalue > 1e-3
    assert kstest(draws.uniform(40, 100).flatten().numpy(), "uniform").pvalue > 1e-3
    n = 3000
    times = torch.tensor([draws.whole_number(2, 4) for _ in range(n)]).bincount()
    assert times[:2].tolist() == [0, 0] and len(times) == 5
    assert (times[2:] - n / 3).abs().max() < 4 * math.sqrt(n * 1 / 3 * 2 / 3)


def test_draws_repeat_with_their_seed_and_differ_between_seeds():
    one, again, other = (Draws(seed, CPU).normal(5) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
