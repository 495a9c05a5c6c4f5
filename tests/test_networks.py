"""Training networks: rates, looks and draws as said, and the best that was seen in the end."""

from itertools import islice

import pytest
import torch
from torch import nn
from worlds import normal, pairs, planted, random, shuffled, toy_pairs, toy_responses, triples

from lore_core.methods import PAL, VPL, NewUser, PALBModel, Schedule
from lore_core.methods.networks import Setting, Standardised, optimise

SMALL = {
    "VPL": VPL(hidden=8, latent=4, users=20, learning_rate=1e-2, schedule=Schedule(60, looks=6)),
    "PAL-A": PAL(rank=3, layers=0, batch=64, personal_rate=0.1, schedule=Schedule(60, looks=6)),
    "PAL-B": PAL(PALBModel, 3, 5, 1, 64, 1e-2, 0.1, schedule=Schedule(60, looks=6)),
}


def setting(some=None, seed=0, validation=None):
    some = toy_pairs() if some is None else some
    return Setting.on(toy_responses(), some, validation, seed, "cpu")


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=1.0)


class Walker(nn.Module):
    """A number that goes up by the learning rate in every step; "known" is for a judge."""

    kind = "walker"

    def __init__(self):
        super().__init__()
        self.at = nn.Parameter(torch.zeros(()))
        self.register_buffer("known", torch.zeros(()))

    def forward(self, step):
        return -self.at


# --- the schedule ------------------------------------------------------------------------------


def test_the_rate_grows_evenly_in_warm_up_then_stays():
    rates = [Schedule(100, warmup=0.04).rate(step) for step in range(100)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8] + [1.0] * 96)


def test_after_warm_up_a_cosine_takes_the_rate_from_one_to_zero():
    rate = Schedule(100, warmup=0.2, cosine=True).rate
    assert [rate(step) for step in (20, 60, 100)] == pytest.approx([1.0, 0.5, 0.0], abs=1e-12)
    assert rate(40) == pytest.approx((1 + 2**-0.5) / 2)
    falling = [rate(step) for step in range(20, 101)]
    assert falling == sorted(falling, reverse=True)


def test_without_warm_up_the_first_rate_is_the_full_one():
    assert Schedule(10).rate(0) == Schedule(10, cosine=True).rate(0) == 1.0


def test_pytorchs_cosine_is_the_same():
    model = Walker()
    optimizer = sgd(model)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
    for step in range(30):
        assert Schedule(30, cosine=True).rate(step) == pytest.approx(oracle.get_last_lr()[0])
        optimizer.step()
        oracle.step()


@pytest.mark.parametrize("steps", [10, 37, 1000])
@pytest.mark.parametrize("looks", [0, 1, 3, 10])
def test_validation_is_looked_at_as_often_as_said_and_last_of_all_at_the_end(steps, looks):
    after = [step for step in range(steps) if Schedule(steps, looks=looks).looks_after(step)]
    assert len(after) == looks and (not looks or after[-1] == steps - 1)
    waits = torch.tensor([-1, *after]).diff()
    assert not looks or waits.max() - waits.min() <= 1


def test_there_is_at_most_one_look_per_step():
    assert all(Schedule(4, looks=10).looks_after(step) for step in range(4))


# --- the loop ----------------------------------------------------------------------------------


@pytest.mark.parametrize("best", [1, 2, 3])
def test_training_ends_at_the_best_that_the_judge_saw(best):
    """The judge likes where the walker is after so many of its three looks."""
    model = Walker()
    judge = lambda: -abs(model.at.item() - 2 * best)  # noqa: E731
    optimise(model, sgd(model), model, Schedule(6, looks=3), judge)
    assert model.at == 2 * best


def test_of_equally_good_looks_the_first_counts():
    model = Walker()
    optimise(model, sgd(model), model, Schedule(6, looks=3), lambda: 0.5)
    assert model.at == 2


def test_what_is_known_at_the_best_look_comes_back_too():
    model = Walker()

    def judge():
        model.known.copy_(10 * model.at.detach())
        return -model.at.item()

    optimise(model, sgd(model), model, Schedule(6, looks=3), judge)
    assert (model.at.item(), float(model.known)) == (2, 20)


@pytest.mark.parametrize("looks", [0, 3])
def test_without_looks_or_a_judge_training_ends_where_it_ends(looks):
    model = Walker()
    judge = (lambda: -model.at.item()) if looks == 0 else None
    optimise(model, sgd(model), model, Schedule(6, looks=looks), judge)
    assert model.at == 6


def test_steps_are_as_long_as_the_schedule_says():
    model, schedule = Walker(), Schedule(20, warmup=0.3, cosine=True)
    optimise(model, sgd(model), model, schedule)
    assert model.at.item() == pytest.approx(sum(schedule.rate(step) for step in range(20)))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_is_said_before_it_does_harm(bad):
    model = Walker()
    loss = lambda step: model.at * 0 + bad if step == 3 else -model.at  # noqa: E731
    with pytest.raises(
        ValueError, match=f"the loss became {bad} at step 3; try smaller learning rates"
    ):
        optimise(model, sgd(model), loss, Schedule(6))
    assert model.at == 3


@pytest.mark.parametrize("name", SMALL)
def test_with_validation_pairs_a_network_is_the_best_of_its_looks(name):
    """The same run without them passes through the same parameters, and goes on to the end."""
    world, method = planted(), SMALL[name]
    fit = lambda validation: method.fit(  # noqa: E731
        world.responses, world.train, validation=validation, seed=0, device="cpu"
    )
    scores = []
    for user_order in (world.validation, shuffled(world.validation)):
        chosen = fit(user_order)
        scores.append(float(chosen.accuracy(world.responses, world.validation).mean()))
    last = fit(None).accuracy(world.responses, world.validation).mean()
    assert scores[0] == scores[1] >= float(last)


# --- inputs and draws --------------------------------------------------------------------------


def test_standardised_rows_have_mean_zero_and_entries_of_size_one():
    rows, inputs = 5 + 3 * torch.randn(40, 6, generator=random(0)), Standardised(6)
    inputs.measure(rows)
    after = inputs(rows)
    torch.testing.assert_close(after.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    assert float(after.square().mean()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(after * inputs.rms + rows.mean(0), rows)


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


def test_nothing_in_the_inputs_is_trained_but_all_of_it_is_saved():
    inputs = Standardised(3)
    assert not list(inputs.parameters()) and set(inputs.state_dict()) == {"mean", "rms"}


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.inputs, self.linear = Standardised(6), nn.Linear(6, 2)


def test_only_rows_of_training_pairs_are_measured():
    some = pairs((0, 3, 7), (1, 3, 20))
    model = setting(some).build(Tiny)
    rows = toy_responses().embeddings[[3, 7, 20]]
    torch.testing.assert_close(model.inputs.mean, rows.mean(0))


def test_a_network_starts_from_its_seed_and_leaves_other_draws_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, again, other = (setting(seed=seed).build(Tiny).linear.weight for seed in (0, 0, 1))
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


@pytest.mark.parametrize("size", [1, 4, 5, 9, 20])
def test_batches_hold_every_id_once_in_each_pass(size):
    ids = torch.arange(9) * 3
    passes = -(-9 // size)
    batches = list(islice(setting().batches(ids, size), 3 * passes))
    orders = [torch.cat(batches[i : i + passes]).tolist() for i in range(0, 3 * passes, passes)]
    assert all(sorted(order) == ids.tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert all(len(batch) <= size for batch in batches)


def test_draws_are_what_they_are_called():
    here = setting()
    normal, uniform = here.normal((4000,)), here.uniform((4000,))
    assert abs(float(normal.mean())) < 0.07 and abs(float(normal.std()) - 1) < 0.05
    assert 0 <= uniform.min() and uniform.max() < 1 and abs(float(uniform.mean()) - 0.5) < 0.02
    assert {here.whole_number(2, 4) for _ in range(60)} == {2, 3, 4}


def test_a_setting_has_one_order_of_the_pairs_and_needs_some():
    assert triples(setting(shuffled(toy_pairs())).pairs) == triples(setting().pairs)
    with pytest.raises(ValueError, match="no pairs to learn from; give at least one"):
        setting(pairs(n_users=2))
    with pytest.raises(ValueError, match="points to response 60, but there are 60"):
        setting(pairs((0, 60, 1)))


def test_no_validation_pairs_are_no_judge():
    assert setting().judge(None) is None
    assert setting(validation=pairs(n_users=5)).judge(None) is None


def test_a_judge_is_the_mean_accuracy_of_users_with_pairs_after_what_has_to_be_prepared():
    asked, calls = toy_pairs().where(toy_pairs().user > 0), []
    model = PAL(rank=2, layers=0, schedule=Schedule(0), new_user=NewUser()).fit(
        toy_responses(), toy_pairs(), device="cpu"
    )
    judge = setting(validation=asked).judge(model, lambda: calls.append("prepared"))
    shares = model.accuracy(toy_responses(), asked)
    assert judge() == pytest.approx(float(shares[1:].mean())) and calls == ["prepared"]
