"""Settings drawn at random, and what validation items say of them."""

import math

import pandas as pd
import pytest
import torch
from proper_world import VALUES, crowd, groups, tail

from lore_core.evaluation import trial_rows
from lore_core.perfit import rivals, trials
from lore_core.perfit.trials import drawn
from lore_core.tasks import Task
from lore_core.tasks.contest import Given


def test_a_trial_is_the_same_whenever_it_is_asked_and_no_two_are_alike():
    found = [drawn(trial) for trial in range(trials.N_TRIALS)]
    assert found == [drawn(trial) for trial in range(trials.N_TRIALS)]
    assert len({str(recipe) for recipe in found}) == trials.N_TRIALS


def test_settings_lie_in_their_ranges_and_fill_them():
    many = [drawn(trial) for trial in range(300)]
    for stage, ranks, ends in (
        ("shared", trials.SHARED_RANKS, trials.SHARED_RATES),
        ("personal", trials.USER_RANKS, trials.USER_RATES),
    ):
        assert {getattr(recipe, stage).rank for recipe in many} == set(ranks)
        rates = torch.tensor([math.log(getattr(recipe, stage).learning_rate) for recipe in many])
        low, high = map(math.log, ends)
        assert low - 1e-2 <= rates.min() and rates.max() <= high + 1e-2
        # Even in the logarithm: of 300 draws the mean is the middle within four standard errors.
        assert abs(rates.mean() - (low + high) / 2) < 4 * (high - low) / (12 * 300) ** 0.5


def test_the_best_trial_is_a_drawn_one_even_where_ours_would_win():
    errors = {"no tuning": (1.0, 0.5), "ours": (0.1, 0.1), "0": (0.9, 0.3), "1": (0.8, 0.4)}
    rows = [
        {"task": task, "trial": trial, "error": error}
        for trial, pair in errors.items()
        for task, error in zip(("rating", "tag"), pair, strict=True)
    ]
    found = pd.DataFrame(rows)
    assert (trial_rows.best(found, "rating"), trial_rows.best(found, "tag")) == (1, 0)


def test_the_settings_that_are_used_are_the_best_of_the_committed_table():
    found = trial_rows.read()
    assert {task: trial_rows.best(found, task) for task in trials.BEST} == trials.BEST
    assert len(found) == 2 * len(trial_rows.TRIALS)


@pytest.fixture(scope="module")
def given():
    items = crowd(1, each=12, n_users=8)
    part = torch.tensor([0] * 8 + [1] * 2 + [2] * 2).repeat(8)
    labels = tuple(f"{value:g}" for value in VALUES)
    cold, rows = torch.zeros(8, dtype=torch.bool), torch.arange(len(items))
    task = Task(items.user, rows, items.target, part, cold, groups(8), labels, True)
    return Given(task, items.inputs, tail())


def test_no_tuning_is_measured_on_validation_items_alone(given):
    found = trial_rows.table({"rating": [given, given]}, trial_rows.NOTHING)
    state, user = given.asked("validation")
    with torch.no_grad():
        labels = (given.net(state).softmax(1).cumsum(1) < 0.5).sum(1)
    target = given.task.target[given.task.of("validation")]
    values = torch.tensor(given.task.values)
    error = (values[labels] - values[target]).abs()
    by_hand = torch.stack([error[user == one].mean() for one in range(8)]).mean()
    assert found.error.item() == pytest.approx(float(by_hand)) and found.n_users.item() == 16
    assert (found[trial_rows.SETTINGS] == 0).all(axis=None)


def test_a_row_names_its_settings():
    ours = trial_rows.settings(trial_rows.OURS)
    assert ours["user_rank"] == rivals.OURS.personal.rank
    assert trial_rows.settings("3")["shrink"] == drawn(3).personal.shrink
