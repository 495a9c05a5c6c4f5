"""The head-to-head of ways to answer a personal task, and PROPER's families in it."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from proper_world import VALUES, crowd, groups, tail

from lore_core.evaluation import bands, group_rows, worlds
from lore_core.proper import rivals
from lore_core.proper.recipe import Stage
from lore_core.tasks import Task
from lore_core.tasks.contest import Given, errors

N, NEW, EACH = 10, 4, 12  # seen users, new ones, items of each
QUICK = Stage(rank=2, passes=1)


def task() -> tuple[Task, torch.Tensor]:
    """A task of fourteen users of the planted world, and the states of its responses."""
    items = crowd(1, each=EACH, n_users=N + NEW)
    part = torch.tensor([0] * 8 + [1] * 2 + [2] * 2).repeat(N + NEW)
    cold = torch.arange(N + NEW) >= N
    rows = torch.arange(len(items))
    labels = tuple(f"{value:g}" for value in VALUES)
    group = groups(N + NEW)
    return Task(items.user, rows, items.target, part, cold, group, labels, True), items.inputs


@pytest.fixture(scope="module")
def given():
    return Given(*task(), tail())


def test_errors_worked_by_hand():
    user, target = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 4, 2, 3])
    part, cold = torch.full((4,), 2), torch.tensor([False, True, False])
    labels = ("1", "2", "3", "4", "5")
    one = Task(user, torch.arange(4), target, part, cold, torch.zeros(3).long(), labels, True)
    answers = torch.tensor([2, 4, 2, 0])
    assert errors(one, answers)[:2].tolist() == [1.0, 1.5]  # (2 + 0) / 2 and (0 + 3) / 2
    assert errors(one, answers).isnan().tolist() == [False, False, True]  # who has no item
    assert errors(replace(one, ordered=False), answers)[:2].tolist() == [0.5, 0.5]


def test_new_users_are_counted_from_0_and_seen_ones_keep_their_numbers(given):
    assert given.seen.n_users == N and set(given.seen.user.tolist()) == set(range(N))
    assert given.new.n_users == NEW and set(given.new.user.tolist()) == set(range(NEW))
    assert len(given.seen) == 8 * N and len(given.new) == 8 * NEW


def test_no_family_sees_a_test_target(given):
    # The same answers if all test targets were others.
    test = given.task.test
    target = given.task.target.clone()
    target[test] = 4 - target[test]
    other = replace(given, task=replace(given.task, target=target))
    recipe = replace(rivals.OURS, n_experts=2, rounds=1, group=QUICK, population=QUICK)
    for one, two in zip(
        rivals.stage_by_stage(given, recipe, 0),
        rivals.stage_by_stage(other, recipe, 0),
        strict=True,
    ):
        answers = [rivals.answered(tuned, of, 0) for (_, tuned), of in ((one, given), (two, other))]
        assert torch.equal(*answers)


def test_stages_one_by_one_are_the_stages_at_once(given):
    recipe = replace(rivals.OURS, n_experts=2, rounds=1, group=QUICK, population=QUICK)
    *_, (name, last) = rivals.stage_by_stage(given, recipe, 3)
    whole = rivals.proper.fit(given.net, given.seen, recipe, 3)
    state, user = given.seen.inputs, given.seen.user
    assert name == "person"
    assert torch.equal(last.probabilities(state, user), whole.probabilities(state, user))


@pytest.mark.parametrize("family", ["crowd", "k-means", "true groups", "closed forms"])
def test_a_family_has_an_error_for_everybody(given, family, monkeypatch):
    short = {
        name: replace(
            recipe,
            n_experts=2,
            population=recipe.population and QUICK,
            group=recipe.group and QUICK,
        )
        for name, recipe in rivals.FAMILIES.items()
    }
    monkeypatch.setattr(rivals, "FAMILIES", short)
    rows = group_rows.per_user(given, family, 0)
    assert not rows.error.isna().any() and (rows.error >= 0).all()
    assert (rows.groupby("method").size() == N + NEW).all()


def test_every_method_has_a_name_of_its_own():
    names = [
        name
        for family, recipe in rivals.FAMILIES.items()
        for stage in ("base", *recipe.stages)
        if (name := group_rows.called(family, stage))
    ]
    assert len(set(names)) == len(names) and group_rows.BASELINE in names


def test_the_control_asks_the_next_user(given):
    other = worlds.exchanged(given).task
    before, after = given.task.user, other.user
    test = torch.zeros(len(before), dtype=torch.bool)
    test[given.task.test] = True
    assert torch.equal(before[~test], after[~test])
    assert not (before[test] == after[test]).any()
    assert (other.cold[after] == given.task.cold[before]).all()  # a new user's is another new one's


def test_gains_are_over_a_users_own_adapter():
    # Two users; the method is better by 1 and by 2 than the baseline, so its gain is 1.5.
    rows = [
        ("population + user", 0, 3.0),
        ("population + user", 1, 3.0),
        ("x", 0, 2.0),
        ("x", 1, 1.0),
    ]
    frame = pd.DataFrame(rows, columns=["method", "user", "error"]).assign(cold=False, length=5)
    new = frame.assign(cold=True, user=frame.user + 2)
    longer = [
        frame.assign(user=frame.user + 4 * i, length=n) for i, n in enumerate((12, 20, 40), 1)
    ]
    table = bands.table({"rating": [pd.concat([frame, new, *longer])]}, "population + user")
    found = table[(table.history == "all") & (table.method == "x")].iloc[0]
    assert found["mean"] == 1.5 and found.gain == 1.5 and found.n_users == 8
    assert set(table.history) == {"all", "4–8", "9–16", "17–32", "33–64", "new, 1–4"}


def test_a_task_of_texts_has_no_labels_to_answer_with(given):
    with pytest.raises(ValueError, match="no labels"):
        Given(replace(given.task, labels=(), ordered=False), given.state, given.net)
