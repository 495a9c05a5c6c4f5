"""PerFit beside its rivals, user by user; its tables of ranks and of places in the model."""

from dataclasses import replace
from importlib.util import find_spec

import pandas as pd
import pytest
import torch
from proper_world import VALUES, crowd, groups, tail

from lore_core.evaluation import (
    group_rows,
    person_rows,
    profile_rows,
    shift_ranks,
    shift_rows,
    small_tables,
    where_rows,
)
from lore_core.evaluation.style_rows import BITS
from lore_core.perfit import rivals
from lore_core.perfit.profiles import Rated
from lore_core.perfit.recipe import Recipe, Stage
from lore_core.perfit.spectrum import spectrum
from lore_core.tasks import Task
from lore_core.tasks.contest import Given
from lore_core.tools import draws

N, NEW, EACH = 8, 3, 12  # seen users, new ones, items of each


@pytest.fixture(scope="module")
def given():
    items = crowd(1, each=EACH, n_users=N + NEW)
    part = torch.tensor([0] * 8 + [1] * 2 + [2] * 2).repeat(N + NEW)
    cold = torch.arange(N + NEW) >= N
    labels = tuple(f"{value:g}" for value in VALUES)
    rows = torch.arange(len(items))
    task = Task(items.user, rows, items.target, part, cold, groups(N + NEW), labels, True)
    return Given(task, items.inputs, tail())


@pytest.fixture
def quick(monkeypatch):
    """Every family in a few steps; the planted network has no head whose rows could be asked."""

    def short(recipe):
        stages = {name: replace(getattr(recipe, name), rank=2, passes=2) for name in recipe.stages}
        starts = {"start": "random", "user_start": "random"}
        return replace(recipe, **stages, **starts)

    families = {name: short(recipe) for name, recipe in rivals.FAMILIES.items()}
    monkeypatch.setattr(rivals, "FAMILIES", families)
    monkeypatch.setattr(rivals, "OURS", short(rivals.OURS))


@pytest.mark.parametrize("family", ["shifts", "stage 2 alone", "without stages", shift_rows.WRONG])
def test_a_family_has_an_error_for_everybody(given, quick, family):
    rows = shift_rows.per_user(given, family, 0)
    assert not rows.error.isna().any() and (rows.error >= 0).all()
    assert (rows.groupby("method").size() == N + NEW).all()


def test_every_method_has_a_name_of_its_own():
    own = [
        name
        for family, recipe in rivals.FAMILIES.items()
        for stage, name in shift_rows.NAMES.get(family, {"personal": family}).items()
        if stage in ("base", *recipe.stages)
    ]
    names = [*own, shift_rows.CONTROL, *shift_rows.BORROWED]
    assert len(set(names)) == len(names) and shift_rows.BASELINE in names


def test_what_is_borrowed_has_the_names_that_lesson_9_gives(given):
    closed = shift_rows.per_user(given, group_rows.CLOSED, 0)
    assert set(closed.method) == {"the same answer always", "ridge: population", "ridge: + user"}


def test_shuffled_answers_are_the_same_answers_in_another_order(given):
    found = shift_rows.shuffled(given.seen, 0)
    assert torch.equal(found.target.sort().values, given.seen.target.sort().values)
    assert not torch.equal(found.target, given.seen.target)
    assert torch.equal(found.user, given.seen.user) and torch.equal(found.inputs, given.seen.inputs)


def test_published_ranks_give_the_published_per_mille():
    # The paper's page prints both.
    printed = {
        "LaMP-2M": (1.21, 3.62, 14.48),
        "LaMP-2N": (3.65, 14.60, 72.99),
        "LaMP-3": (0.73, 4.39, 22.71),
        "LaMP-4": (22.03, 108.23, 238.50),
        "LaMP-5": (0.98, 9.77, 49.56),
        "LaMP-7": (0.73, 7.81, 43.21),
    }
    for task, found in shift_ranks.published().items():
        assert tuple(found.values()) == pytest.approx(printed[task], abs=0.006)


def test_a_row_of_ranks_is_a_spectrum_s():
    one = spectrum(draws.normal(draws.generator(0), 9, 5), centred=True)
    row = shift_ranks.row(one)
    assert [row[name] for name in shift_ranks.NAMES] == [*one.ranks]
    assert row["0.80 ‰"] == 1000 * row["0.80"] / 5


@pytest.mark.parametrize("module", [shift_ranks, shift_rows, where_rows])
def test_the_committed_table_is_whole(module):
    if not module.FILE.is_file():
        pytest.skip("not computed yet")
    assert len(module.read()) > 0


def test_gains_of_a_place_are_means_over_users():
    # Two users; bits fall by .1 and by .3, so the gain is .2.
    rows = [(29, "l1", 0, 1, 1.0, 0.9), (29, "l1", 0, 2, 0.8, 0.7), (29, "l1", 1, 3, 1.0, 0.7)]
    found = pd.DataFrame(rows, columns=["layer", "positions", "user", "item", "base", BITS])
    [row] = where_rows.table(found).to_dict("records")
    assert row["gain"] == pytest.approx(0.2) and row["mean"] == pytest.approx(0.75)
    assert row["gain_low"] == pytest.approx(0.1) and row["gain_high"] == pytest.approx(0.3)
    assert row["n_users"] == 2


@pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")
def test_a_shift_in_the_middle_makes_wanted_answers_less_surprising(tmp_path, monkeypatch):
    from style_world import drawn, read, tiny

    study = read(tiny(tmp_path), drawn())
    before = {name: weight.clone() for name, weight in study.model.state_dict().items()}
    quick = Stage(rank=4, learning_rate=0.02, passes=6, batch=8)
    monkeypatch.setattr(where_rows, "SHARED", quick)
    found = where_rows.items(study, ("l1", "f2+l2"))
    assert found.groupby("positions").size().tolist() == [len(study.task.test)] * 2
    means = found.groupby("positions")[["base", BITS]].mean()
    assert means.base.nunique() == 1 and (means[BITS] < means.base).all()
    assert all(torch.equal(w, before[n]) for n, w in study.model.state_dict().items())
    assert isinstance(where_rows.recipe(1, "l1"), Recipe)


def test_a_profile_s_gain_is_over_no_profile_user_by_user():
    # Two users; with their own profile errors fall by 1 and by 0, with another's they rise by 1.
    rows = [("no profile", 0, 0, 2.0), ("no profile", 1, 1, 1.0)]
    rows += [("own", 0, 0, 1.0), ("own", 1, 1, 1.0), ("other", 0, 0, 3.0), ("other", 1, 1, 2.0)]
    found = pd.DataFrame(rows, columns=["profile", "user", "item", "error"]).assign(k=3)
    table = profile_rows.table(found).set_index("profile")
    assert table.gain.to_dict() == {"no profile": 0.0, "own": 0.5, "other": -1.0}
    assert table["mean"]["own"] == 1.0 and (table.n_users == 2).all() and (table.n_items == 2).all()


def test_a_profile_s_error_is_the_distance_of_two_ratings():
    task = Task([0, 1], [0, 1], [4, 0], [2, 2], [False, False], [0, 0], tuple("12345"), True)
    rated = Rated(task, ["a", "b"], ["c", "d"], torch.eye(2))
    says_two = torch.nn.Linear(3, 5)
    says_two.weight.data.zero_()
    says_two.bias.data.copy_(9 * torch.eye(5)[1])
    errors = profile_rows.wrong(rated, says_two, torch.zeros(2, 3), torch.tensor([0, 1]))
    assert errors.tolist() == [3.0, 1.0]  # 5 and 2, 1 and 2


def test_a_table_of_persons_finds_who_was_planted_and_nobody_where_there_is_none():
    g = draws.generator(0)
    person, noise = draws.normal(g, 60, 40), draws.normal(g, 3, 60, 40)
    group = torch.arange(60) % 3
    mean, apart = 5 * draws.normal(g, 40), draws.normal(g, 3, 40)[group]
    seen = tuple(mean + person + apart + 0.1 * one for one in noise)
    unseen = tuple(mean + one for one in noise)
    table = person_rows.table({"planted": seen, "nothing": unseen}, group).set_index("layer")
    planted, nothing = table.loc["planted"], table.loc["nothing"]
    assert planted.found == 1 and planted["same user"] > 0.95
    assert planted.groups > planted.permuted
    assert nothing.found < 0.1 and abs(nothing["same user"]) < 2 * nothing["±"]
    assert (table["by chance"] == 1 / 60).all() and (table["rank"] == 1).all()


def test_a_table_of_persons_is_read_as_it_was_written(tmp_path):
    g = draws.generator(1)
    shifts = tuple(1 + draws.normal(g, 12, 7) for _ in range(3))
    table = person_rows.table({"5": shifts, "tail": shifts}, torch.arange(12) % 2)
    small_tables.write(table, tmp_path / "persons.csv")
    back = person_rows.read_table(tmp_path / "persons.csv")
    assert list(back) == ["layer", *person_rows.NUMBERS]
    assert (back[person_rows.NUMBERS] - table[person_rows.NUMBERS]).abs().to_numpy().max() < 1e-4
