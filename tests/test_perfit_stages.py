"""The two stages of PerFit: what each moves, what it finds, and what it leaves alone."""

from dataclasses import replace

import pytest
import torch
from perfit_world import D, crowd, largest_angle, losses, net, truth
from proper_world import VALUES, groups, tail
from proper_world import crowd as raters
from torch.nn.functional import cosine_similarity

from lore_core.evaluation import worlds
from lore_core.perfit import kept, kept_users, rivals
from lore_core.perfit.attach import STATE
from lore_core.perfit.fit import adapt, fit, further
from lore_core.perfit.moved import mean_shifts, units
from lore_core.perfit.recipe import PAPER, Recipe, Stage
from lore_core.tasks import Task
from lore_core.tasks.contest import Given, errors
from lore_core.tasks.descent import descend
from lore_core.tasks.pace import Pace
from lore_core.tools import draws, tensor_files

SHARED = Stage(learning_rate=0.03, passes=6, rank=2)
PERSONAL = Stage(
    learning_rate=0.3, passes=20, optimizer="sgd", batch=None, shrink=8, warm_up=0, rank=3
)
RECIPE = Recipe(shared=SHARED, personal=PERSONAL, start="random", user_start="random")
QUICK = replace(
    RECIPE, shared=replace(SHARED, passes=1), personal=replace(PERSONAL, passes=3, rank=2)
)
ONE_BY_ONE = replace(
    QUICK, personal=replace(PERSONAL, optimizer="adam", learning_rate=0.01, batch=8, passes=2)
)


@pytest.fixture(scope="module")
def items():
    return crowd(1, each=12, n_users=10)


@pytest.fixture(scope="module")
def found(items):
    return fit(net(), items, QUICK)


def content(shifted):
    """Every number of a network and of what moves its states, by name."""
    parts = {"net": shifted.net, **shifted.nudges}
    return {
        f"{name}.{key}": w.detach().clone()
        for name, part in parts.items()
        for key, w in part.state_dict().items()
    }


def same(one, other):
    """Whether two networks hold the same numbers, byte for byte."""
    one, other = content(one), content(other)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# Worlds whose truth is known


def test_stage_1_finds_the_common_shift_and_stage_2_where_persons_differ():
    items, (mean, basis, own) = crowd(1, each=300, own=1.5), truth(own=1.5)
    both = fit(net(), items, replace(RECIPE, personal=replace(PERSONAL, passes=40)))
    moved = both.nudges[STATE].shared(items.inputs) - items.inputs
    assert cosine_similarity(moved.mean(0).double(), mean + own.mean(0), 0) > 0.97
    shifts = mean_shifts(both, items)[STATE]
    leading = torch.linalg.svd(shifts - shifts.mean(0)).Vh[:3]
    assert largest_angle(leading, basis) < 10


def test_both_stages_beat_one_alone():
    items, fresh = crowd(1), crowd(2)
    recipe = replace(RECIPE, personal=replace(PERSONAL, learning_rate=0.1))
    recipes = (recipe, recipe.up_to("shared"), replace(recipe, shared=None))
    both, one, alone = (losses(fit(net(), items, each), fresh) for each in recipes)
    for gain in (one - both, alone - both):
        assert gain.mean() > 3 * gain.std() / len(gain) ** 0.5


def test_where_persons_do_not_differ_stage_2_gains_nothing():
    items, fresh = crowd(1, own=0.0), crowd(2, own=0.0)
    recipe = replace(RECIPE, shared=replace(SHARED, passes=15))
    one = fit(net(), items, recipe.up_to("shared"))
    gain = losses(one, fresh) - losses(further(one, items, recipe), fresh)
    assert gain.mean() < 2 * gain.std() / len(gain) ** 0.5 + 0.01


def test_from_the_shared_start_persons_begin_where_the_first_round_found_them():
    items, (_, basis, _) = crowd(1, each=100, own=1.5), truth(own=1.5)
    recipe = replace(RECIPE, user_start="shared")
    shared, random = fit(net(), items, recipe), fit(net(), items, RECIPE)
    first = torch.linalg.svd(mean_shifts(random, items)[STATE].double()).Vh[:3]
    assert largest_angle(shared.starts[STATE], first) < 0.1
    before, after = (largest_angle(each.starts[STATE], basis) for each in (random, shared))
    assert after < before / 2


# Frozen, alone, exactly


def test_frozen_means_frozen(items):
    given = net()
    one = fit(given, items, QUICK.up_to("shared"))
    before = content(one)
    both = further(one, items, QUICK)
    after = content(both)
    assert {name for name in after if name not in before} == {
        f"{STATE}.personal.{name}" for name in ("free", "W", "b")
    }
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(given.weight, net().weight) and same(one, fit(net(), items, one.recipe))
    parts = [given, *both.nudges.values()]
    assert not any(weight.requires_grad for part in parts for weight in part.parameters())


def test_a_network_that_was_to_be_trained_still_is(items):
    given = net().requires_grad_(True)
    fit(given, items, QUICK)
    assert given.weight.requires_grad and given.weight.grad is None


def test_stage_by_stage_is_all_at_once(items, found):
    bare = fit(net(), items, QUICK.up_to(None))
    assert torch.equal(bare.net(items.inputs[:5]).softmax(1), bare.probabilities(
        items.inputs[:5], items.user[:5]
    ))  # fmt: skip
    one = further(bare, items, QUICK.up_to("shared"))
    assert same(further(one, items, QUICK), found)


@pytest.mark.parametrize("recipe", [QUICK, ONE_BY_ONE])
def test_a_user_alone_learns_what_a_user_among_others_learns(items, recipe):
    found = fit(net(), items, recipe)
    mine = items.select(items.user == 7)
    alone = replace(mine, user=torch.zeros(len(mine), dtype=torch.long), n_users=1)
    one = adapt(found, alone).probabilities(mine.inputs, alone.user)
    among = adapt(found, items).probabilities(mine.inputs, mine.user)
    torch.testing.assert_close(one, among, rtol=0, atol=1e-5)
    order = draws.order(draws.generator(8), items.n_users)
    other = replace(items, user=order[items.user])
    turned = adapt(found, other).probabilities(mine.inputs, order[mine.user])
    torch.testing.assert_close(turned, among, rtol=0, atol=1e-5)


@pytest.mark.parametrize("recipe", [QUICK, ONE_BY_ONE, replace(QUICK, user_start="shared")])
def test_one_seed_repeats_exactly_and_another_does_not(items, recipe):
    one, two, other = (fit(net(), items, recipe, seed=seed) for seed in (3, 3, 4))
    assert same(one, two) and not same(one, other)
    assert one.curves == two.curves


@pytest.mark.parametrize("recipe", [QUICK, ONE_BY_ONE])
def test_who_has_said_nothing_gets_what_all_share_exactly(items, recipe):
    decayed = replace(recipe, personal=replace(recipe.personal, weight_decay=0.1))
    some = items.select(items.user != 4)
    both = fit(net(), some, decayed)
    one = fit(net(), some, decayed.up_to("shared"))
    rows = items.user == 4
    asked = items.inputs[rows], items.user[rows]
    assert torch.equal(both.probabilities(*asked), one.probabilities(*asked))
    nobody = replace(items.select(torch.zeros(0, dtype=torch.long)), n_users=2)
    new = adapt(both, nobody)
    first = torch.ones_like(asked[1])
    assert torch.equal(new.probabilities(asked[0], first), one.probabilities(*asked))


def test_adapting_leaves_the_first_network_as_it_was(items, found):
    before = content(found)
    new = adapt(found, crowd(5, each=4, n_users=3))
    assert new.n_users == 3 and len(new.nudges[STATE].personal) == 3
    assert all(torch.equal(w, before[name]) for name, w in content(found).items())
    assert torch.equal(new.nudges[STATE].shared.W, found.nudges[STATE].shared.W)


def test_who_has_said_little_moves_little():
    # After one step the distance is the mean gradient times n / (n + shrink).
    few, many = crowd(1, each=2), crowd(1, each=60)
    one = fit(net(), many, RECIPE.up_to("shared"))
    recipe = replace(RECIPE, personal=replace(PERSONAL, passes=1, shrink=58))
    sizes = [
        mean_shifts(further(one, some, recipe), some)[STATE].norm(dim=1).mean()
        for some in (few, many)
    ]
    assert sizes[0] < sizes[1] / 3


def test_the_published_recipe_runs_and_keeps_its_rows_orthonormal(items):
    recipe = replace(PAPER, shared=replace(PAPER.shared, rank=4))
    both = fit(net(), items, recipe)
    assert set(both.curves) == {"shared", "personal"} and not both.units
    for part in (both.nudges[STATE].shared, both.nudges[STATE].personal):
        off = part.R @ part.R.mT - torch.eye(4)
        assert off.abs().max() < 1e-5


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_weight_decay_takes_its_share_of_a_weight_at_each_step(optimizer):
    weight = torch.nn.Parameter(torch.tensor([2.0, -1.0]))
    pace = Pace(
        optimizer=optimizer, passes=1, batch=None, warm_up=0, learning_rate=0.5, weight_decay=0.1
    )
    descend(
        [weight],
        lambda rows: (0 * weight).sum().expand(len(rows)),
        torch.zeros(3, dtype=torch.long),
        pace,
        draws.generator(0),
        "a stage",
    )
    torch.testing.assert_close(weight.detach(), torch.tensor([1.9, -0.95]))


def test_a_loss_that_is_no_number_stops_with_stage_and_step(items):
    beyond = replace(items, inputs=torch.full_like(items.inputs, 3e38))  # twice that is infinite
    with pytest.raises(FloatingPointError, match="shared, step 1; try a smaller learning_rate"):
        fit(net(), beyond, replace(QUICK, coordinates="raw"))


def test_an_unknown_user_is_told_how_to_adapt(items, found):
    with pytest.raises(ValueError, match="user 10 is unknown.*adapt"):
        found.predict(items.inputs[:1], torch.tensor([10]), ordered=False)


# What is measured


def test_units_are_mean_and_spread_of_the_states(items, found):
    measured = units(found, items)[STATE]
    x = items.inputs.double()
    torch.testing.assert_close(measured.centre.double(), x.mean(0), rtol=1e-5, atol=1e-6)
    assert measured.size == pytest.approx(float((x - x.mean(0)).square().sum(1).mean().sqrt()))


def test_mean_shifts_are_those_of_a_loop(items, found):
    personal, x = found.nudges[STATE].personal, found.nudges[STATE].shared(items.inputs)
    moved = mean_shifts(found, items)[STATE]
    for user in range(items.n_users):
        mine = items.user == user
        expected = (personal(x[mine], items.user[mine]) - x[mine]).mean(0)
        torch.testing.assert_close(moved[user], expected, rtol=0, atol=1e-5)


# On disk


def test_what_was_saved_is_read_again_to_the_last_bit(items, found, tmp_path):
    kept.save(found, tmp_path / "shared.safetensors")
    paths = kept_users.save_users(found, tmp_path / "users")
    again = kept.load(net(), tmp_path / "shared.safetensors")
    assert again.recipe == found.recipe and again.n_users == 0
    kept_users.load_users(again, paths)
    assert same(again, found)
    assert torch.equal(
        again.probabilities(items.inputs, items.user), found.probabilities(items.inputs, items.user)
    )
    few = crowd(5, each=4, n_users=3)
    assert same(adapt(again, few), adapt(found, few))
    for part in (again.nudges[STATE].shared, again.nudges[STATE].personal):
        eye = torch.eye(part.R.shape[-2])
        assert (part.R @ part.R.mT - eye).abs().max() < 1e-5
    kept_users.load_users(again, paths[3:5])
    state, nobody = items.inputs[:4], torch.zeros(4, dtype=torch.long)
    assert torch.equal(again.probabilities(state, nobody), found.probabilities(state, nobody + 3))


def test_files_of_another_network_or_another_shift_are_refused(items, found, tmp_path):
    path = tmp_path / "shared.safetensors"
    kept.save(found, path)
    users = kept_users.save_users(found, tmp_path / "users")
    other = net()
    other.weight[0, 0] += 1
    with pytest.raises(ValueError, match="was made for another network.*SHA-256"):
        kept.load(other, path)
    another = fit(net(), items, QUICK, seed=5)
    with pytest.raises(ValueError, match="another network, or another φ_c"):
        kept_users.load_users(another, users)
    with pytest.raises(ValueError, match="number of paths is 0"):
        kept_users.load_users(found, [])
    with pytest.raises(ValueError, match="not a saved PerFit user"):
        kept_users.load_users(found, [path])
    with pytest.raises(ValueError, match="train stage 2 first"):
        kept_users.save_users(fit(net(), items, QUICK.up_to("shared")), tmp_path / "none")


def test_rows_that_are_not_orthonormal_are_refused(found, tmp_path):
    path = tmp_path / "shared.safetensors"
    kept.save(found, path)
    tensors, about = tensor_files.read(path)
    tensors[f"{STATE}.R"] *= 1.001
    tensor_files.write(path, tensors, about)
    with pytest.raises(ValueError, match="rows of R are .* off orthonormal"):
        kept.load(net(), path)


# The head to head

N, NEW, EACH = 8, 3, 12


@pytest.fixture(scope="module")
def given():
    """A task of eleven raters, three of whom come later, and the tail of a language model."""
    made = raters(1, each=EACH, n_users=N + NEW)
    part = torch.tensor([0] * 8 + [1] * 2 + [2] * 2).repeat(N + NEW)
    cold, rows = torch.arange(N + NEW) >= N, torch.arange(len(made))
    labels = tuple(f"{value:g}" for value in VALUES)
    task = Task(made.user, rows, made.target, part, cold, groups(N + NEW), labels, True)
    return Given(task, made.inputs, tail())


TAILED = Recipe(
    shared=replace(SHARED, passes=2), personal=replace(PERSONAL, passes=3, shrink=8, rank=4)
)


@pytest.mark.parametrize("family", rivals.FAMILIES)
def test_no_family_sees_a_test_target(given, family):
    test, target = given.task.test, given.task.target.clone()
    target[test] = 4 - target[test]
    other = replace(given, task=replace(given.task, target=target))
    recipe = rivals.FAMILIES[family]
    few = {
        name: replace(getattr(recipe, name), passes=1, rank=2, learning_rate=0.03)
        for name in recipe.stages
    }
    recipe = replace(recipe, **few)
    for one, two in zip(
        rivals.stage_by_stage(given, recipe, 3),
        rivals.stage_by_stage(other, recipe, 3),
        strict=True,
    ):
        assert one[0] == two[0]
        assert torch.equal(rivals.answered(one[1], given, 3), rivals.answered(two[1], other, 3))


def test_the_rows_of_a_family_are_its_stages_and_the_base_is_the_network(given):
    rows = dict(rivals.stage_by_stage(given, TAILED, 0))
    assert list(rows) == ["base", "shared", "personal"]
    state, _ = given.asked("test")
    expected = (given.net(state).softmax(1).cumsum(1) < 0.5).sum(1)
    assert torch.equal(rivals.answered(rows["base"], given, 0), expected)
    assert same(rows["personal"], fit(given.net, given.seen, TAILED, 0))
    assert errors(given.task, rivals.answered(rows["personal"], given, 0)).isfinite().all()


def test_without_stages_is_as_wide_and_trained_as_long_as_both():
    both, one = rivals.OURS, rivals.FAMILIES["without stages"]
    assert one.shared.rank == both.shared.rank + both.personal.rank
    assert one.shared.passes == both.shared.passes + both.personal.passes
    assert one.personal is None
    wide = rivals.FAMILIES["stage 2 alone, wide"]
    assert wide.shared is None and wide.personal.rank == one.shared.rank


def test_another_users_shift_is_answered_for_seen_and_new_users(given):
    both = fit(given.net, given.seen, TAILED)
    new = adapt(both, given.new, 0)
    state, user = given.asked("test")
    other = rivals.answered(both, worlds.exchanged(given), 0)
    for row in range(len(user)):
        seen = int(user[row]) < N
        of = both if seen else new
        next_one = (int(user[row]) + 1) % N if seen else (int(user[row]) - N + 1) % NEW
        expected = of.predict(state[row : row + 1], torch.tensor([next_one]), ordered=True)
        assert other[row] == expected[0]


def test_a_mean_shift_is_added_to_what_the_base_reads(given):
    observed = draws.normal(draws.generator(4), N + NEW, 16).float()
    observed[[2, N]] = torch.nan  # a seen user and a new one of whom nothing was observed
    kept_rows = [row for row in range(N) if row != 2]
    mean = sum(observed[row] for row in kept_rows) / len(kept_rows)
    state, user = given.asked("test")
    for own in (False, True):
        found = rivals.mean_shift(given, observed, own=own)
        for row in range(len(user)):
            mine = observed[user[row]]
            move = mine if own and mine.isfinite().all() else mean
            shares = given.net(state[row] + move).softmax(0)
            assert found[row] == (shares.cumsum(0) < 0.5).sum()


def test_the_state_of_a_tail_has_the_width_of_the_shift(given):
    both = fit(given.net, given.seen, TAILED)
    assert both.nudges[STATE].shared.W.shape == (2, 16) and D == 12
