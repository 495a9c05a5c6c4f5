"""How long and how fast networks are trained: rates and evaluations are as the schedule says."""

import math
import warnings

import pytest
import torch
from torch import nn

from lore_core.methods import Schedule
from lore_core.methods.schedule import optimise


class Walker(nn.Module):
    """A number that goes up by the learning rate in every step."""

    def __init__(self):
        super().__init__()
        self.at = nn.Parameter(torch.zeros(()))

    def loss(self):
        return -self.at


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=1.0)


def walk(schedule, validate=None):
    """Where a walker ends whose validation loss is a function of where it is."""
    model = Walker()
    loss = None if validate is None else lambda: validate(round(model.at.item()))
    optimise(model, sgd(model), model.loss, schedule, loss)
    return model.at.item()


def formula(schedule):
    """The learning rate of each step, as a share of the full one."""
    warm = round(schedule.warmup * schedule.steps)
    rates = [(step + 1) / (warm + 1) for step in range(warm)]
    for step in range(schedule.steps - warm):
        angle = math.pi * step / (schedule.steps - warm)
        rates.append((1 + math.cos(angle)) / 2 if schedule.cosine else 1.0)
    return rates


SCHEDULES = [
    Schedule(10),
    Schedule(100, warmup=0.04),
    Schedule(10, cosine=True),
    Schedule(100, warmup=0.2, cosine=True),
    Schedule(37, warmup=0.03, cosine=True),
    Schedule(6, warmup=1.0, cosine=True),
    Schedule(1, cosine=True),
]
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=str)


# --- the rate ------------------------------------------------------------------------------------


@each_schedule
def test_the_rate_grows_along_a_line_then_stays_or_falls_along_half_a_cosine(schedule):
    """Each group of parameters has a rate of its own."""
    groups = [{"params": [torch.zeros(1)], "lr": rate} for rate in (0.1, 3.0)]
    optimizer = torch.optim.SGD(groups)
    scheduler = schedule.scheduler(optimizer)
    for share in formula(schedule):
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(
            [0.1 * share, 3.0 * share]
        )
        optimizer.step()
        scheduler.step()
    if schedule.cosine and schedule.warmup < 1:
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


@each_schedule
def test_training_moves_by_these_rates(schedule):
    assert walk(schedule) == pytest.approx(sum(formula(schedule)), rel=1e-5)


def test_a_cosine_has_half_the_rate_half_way():
    assert formula(Schedule(100, warmup=0.2, cosine=True))[60] == pytest.approx(0.5)


# --- evaluations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [10, 37, 1000])
@pytest.mark.parametrize("evaluations", [0, 1, 3, 10])
def test_evaluations_are_as_many_as_said_evenly_spread_and_the_last_is_at_the_end(
    steps, evaluations
):
    schedule = Schedule(steps, evaluations=evaluations)
    after = [step for step in range(steps) if schedule.evaluates_after(step)]
    assert len(after) == evaluations and (not after or after[-1] == steps - 1)
    waits = torch.tensor([-1, *after]).diff()
    assert not after or waits.max() - waits.min() <= 1


def test_there_is_at_most_one_evaluation_per_step():
    assert all(Schedule(4, evaluations=10).evaluates_after(step) for step in range(4))


# --- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("best", [2, 4, 6])
def test_training_ends_at_the_best_of_its_evaluations(best):
    """Three evaluations of six steps: where the walker is 2, 4 and 6."""
    assert walk(Schedule(6, evaluations=3), lambda at: abs(at - best)) == best


def test_of_equally_good_evaluations_the_first_counts():
    assert walk(Schedule(6, evaluations=3), lambda at: 0.5) == 2


@pytest.mark.parametrize("validate", [None, abs])
def test_without_validation_or_evaluations_training_ends_where_it_ends(validate):
    evaluations = 3 if validate is None else 0
    assert walk(Schedule(6, evaluations=evaluations), validate) == 6


def test_no_steps_leave_everything_as_it_was():
    assert walk(Schedule(0, cosine=True), abs) == 0


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_is_said_with_its_step_before_it_does_harm(bad):
    model, calls = Walker(), iter(range(6))
    loss = lambda: -model.at if next(calls) < 3 else model.at * 0 + bad  # noqa: E731
    with pytest.raises(
        ValueError, match=f"the loss became {bad} at step 3; try smaller learning rates"
    ):
        optimise(model, sgd(model), loss, Schedule(6))
    assert model.at == 3


@each_schedule
def test_training_warns_of_nothing(schedule):
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # or torch says some things once, in whichever test comes first
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            walk(schedule, abs)
    finally:
        torch.set_warn_always(always)
