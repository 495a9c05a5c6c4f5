"""The three stages of PROPER: what each moves, what it finds, and what it leaves alone."""

from dataclasses import replace

import pytest
import torch
from proper_world import crowd, error, groups, tail
from sklearn.metrics import normalized_mutual_info_score

from lore_core.proper import posterior, stages
from lore_core.proper.fit import adapt, fit
from lore_core.proper.recipe import PAPER, Recipe, Stage
from lore_core.tools import draws

SHORT = Stage(passes=2)
QUICK = Recipe(
    population=Stage(rank=4, alpha=8, passes=4),
    group=Stage(passes=2),
    person=Stage(learning_rate=0.1, passes=3, optimizer="sgd", batch=None, warm_up=0),
    n_experts=2,
    rounds=2,
)
ROUTES = ("posterior", "published", "hard", "uniform")


@pytest.fixture(scope="module")
def items():
    return crowd(1)


def snapshot(tuned):
    """Every number of a tuned network, by name."""
    return {name: t.detach().clone() for name, t in tuned.net.state_dict().items()}


def moved(before, after):
    """Which parts of the layers are not the same, byte for byte."""
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    return {name.split(".")[1] for name in changed}


def test_frozen_means_frozen(items):
    recipe = replace(QUICK, routes="published", reroute=SHORT)
    tuned = fit(tail(), items, replace(recipe, person=None, reroute=None))
    tuned.recipe = recipe
    before = snapshot(tuned)
    stages.train(tuned, items, SHORT, "group", ["experts", "router"], draws.generator(0))
    assert moved(before, snapshot(tuned)) == {"experts", "router"}
    stages.person(tuned, items, recipe.person, draws.generator(0))
    before = snapshot(tuned)
    stages.train(tuned, items, SHORT, "person", ["personal"], draws.generator(0))
    assert moved(before, snapshot(tuned)) == {"personal"}
    stages.reroute(tuned, items, SHORT, draws.generator(0))
    before = snapshot(tuned)
    stages.train(tuned, items, SHORT, "reroute", ["router"], draws.generator(0))
    assert moved(before, snapshot(tuned)) == {"router"}
    assert all(weight.grad is None or not weight.requires_grad for weight in tuned.net.parameters())


def test_the_network_that_was_given_stays_as_it_is(items):
    net = tail()
    before = {name: t.clone() for name, t in net.state_dict().items()}
    fit(net, items, replace(QUICK, person=None, rounds=1))
    assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())


def test_groups_are_found_and_beat_the_population(items):
    fresh = crowd(2)
    recipe = replace(QUICK, person=None, rounds=3, group=Stage(passes=4))
    found = fit(tail(), items, recipe)
    alone = fit(tail(), items, replace(recipe, group=None))
    assert normalized_mutual_info_score(groups(), found.shares.argmax(1)) > 0.9
    gain = error(alone, fresh) - error(found, fresh)
    assert gain.mean() > 4 * gain.std() / len(gain) ** 0.5


def test_without_groups_in_the_world_stage_2_gains_what_longer_training_gains():
    items, fresh = crowd(3, n_groups=1), crowd(4, n_groups=1)
    recipe = replace(QUICK, person=None, group=Stage(passes=4))
    found = fit(tail(), items, recipe)
    longer = fit(
        tail(),
        items,
        replace(recipe, n_experts=1, routes="uniform", rounds=1, group=Stage(passes=8)),
    )
    gain = error(longer, fresh) - error(found, fresh)
    assert gain.mean() < 2 * gain.std() / len(gain) ** 0.5 + 0.02


def test_who_stands_where_does_not_matter(items):
    # New users in another order: each one's predictions are the same.
    tuned = fit(tail(), items, QUICK)
    order = draws.order(draws.generator(8), items.n_users)
    other = replace(items, user=order[items.user])
    one, two = adapt(tuned, items), adapt(tuned, other)
    ours = one.probabilities(items.inputs, items.user)
    assert torch.allclose(ours, two.probabilities(items.inputs, other.user), atol=1e-5)


def test_a_user_alone_learns_what_a_user_among_others_learns(items):
    tuned = fit(tail(), items, QUICK)
    rows = items.user == 7
    alone = replace(
        items.select(rows), user=torch.zeros(int(rows.sum()), dtype=torch.long), n_users=1
    )
    one = adapt(tuned, alone).probabilities(alone.inputs, alone.user)
    among = adapt(tuned, items).probabilities(items.inputs[rows], items.user[rows])
    assert torch.allclose(one, among, atol=1e-5)


@pytest.mark.parametrize("routes", ROUTES)
def test_one_seed_repeats_exactly_and_another_does_not(items, routes):
    recipe = replace(QUICK, routes=routes, start="random")
    one, two, other = (fit(tail(), items, recipe, seed=s) for s in (3, 3, 4))
    assert not moved(snapshot(one), snapshot(two))
    apart = one.probabilities(items.inputs, items.user) - other.probabilities(
        items.inputs, items.user
    )
    assert apart.abs().max() > 0


@pytest.mark.parametrize("routes", ROUTES)
def test_who_has_said_nothing_gets_the_mean_users_answer(items, routes):
    tuned = fit(tail(), items, replace(QUICK, routes=routes))
    none = replace(items.select(torch.zeros(0, dtype=torch.long)), n_users=1)
    new = adapt(tuned, none)
    first = torch.zeros(len(items), dtype=torch.long)
    assert new.probabilities(items.inputs, first).isfinite().all()
    if routes in ("posterior", "uniform"):
        assert torch.allclose(new.shares[0], tuned.prior, atol=1e-6)


def test_adapting_leaves_the_first_network_as_it_was(items):
    tuned = fit(tail(), items, replace(QUICK, routes="published", reroute=SHORT))
    before = snapshot(tuned)
    new = adapt(tuned, crowd(5, n_users=8))
    assert all(torch.equal(before[name], t) for name, t in snapshot(tuned).items())
    shared = [name for name in before if "table" not in name and "personal" not in name]
    assert all(torch.equal(before[name], snapshot(new)[name]) for name in shared)


def test_given_groups_are_the_routes(items):
    tuned = fit(tail(), items, replace(QUICK, routes="given", person=None), group=groups())
    assert torch.equal(tuned.shares.argmax(1), groups())
    assert torch.equal(adapt(tuned, items, group=1 - groups()).shares.argmax(1), 1 - groups())


def test_the_published_recipe_runs(items):
    few = items.select(torch.arange(0, len(items), 10))
    tuned = fit(tail(), few, replace(PAPER, population=replace(PAPER.population, rank=8)))
    assert set(tuned.curves) == {"population", "group", "person", "reroute"}
    assert all(torch.tensor(curve).isfinite().all() for curve in tuned.curves.values())


def test_a_fitted_third_router_starts_where_stage_2_ended(items):
    recipe = replace(QUICK, reroute=Stage(passes=0), person=replace(QUICK.person, passes=12))
    tuned = fit(tail(), items, replace(recipe, reroute=None))
    wanted = tuned.shares[items.user]
    stages.reroute(tuned, items, recipe.reroute, draws.generator(0))
    tuned.all_losses(items)
    random = fit(tail(), items, replace(recipe, reroute_start="random"))
    random.all_losses(items)
    name = "down_proj"
    last = items.user[len(items) - len(tuned.layers[name].shares) :]
    apart = [(t.layers[name].shares - wanted[-len(last) :]).abs().mean() for t in (tuned, random)]
    assert apart[0] < apart[1]


def test_a_loss_that_is_no_number_stops_with_stage_and_step(items):
    recipe = replace(QUICK, population=Stage(learning_rate=1e30, passes=3, clip=None))
    with pytest.raises(FloatingPointError, match="population, step .*learning_rate"):
        fit(tail(), items, recipe)


def test_an_unknown_user_is_told_how_to_adapt(items):
    tuned = fit(tail(), items, replace(QUICK, group=None))
    with pytest.raises(ValueError, match="user 40 is unknown.*adapt"):
        tuned.predict(items.inputs[:1], torch.tensor([40]), ordered=True)


def test_routes_need_groups_where_they_are_to_be_given(items):
    with pytest.raises(ValueError, match="give every user's group"):
        fit(tail(), items, replace(QUICK, routes="given"))


def test_posteriors_are_bayes_rule_over_the_experts(items):
    tuned = fit(tail(), items, replace(QUICK, person=None))
    prior = torch.tensor([0.3, 0.7])
    losses = posterior.user_losses(tuned, items)
    joint = prior * (-losses - (-losses).amax(1, keepdim=True)).exp()
    wanted = joint / joint.sum(1, keepdim=True)
    assert torch.allclose(posterior.of(tuned, items, prior), wanted, atol=1e-5)


@pytest.mark.parametrize("routes", ["posterior", "published"])
def test_new_users_take_stage_2s_routes_before_stage_3_2s(items, routes):
    # Adapted after stage 3.2, a user's adapter is the one that adapting before it gives.
    recipe = replace(QUICK, routes=routes, reroute=SHORT)
    before = fit(tail(), items, recipe.up_to("person"))
    after = fit(tail(), items, recipe)
    new = crowd(5, n_users=8)
    one, two = adapt(before, new), adapt(after, new)
    for name, layer in one.layers.items():
        assert torch.equal(layer.personal.B, two.layers[name].personal.B)
    assert all(layer.router is two.rerouters[name] for name, layer in two.layers.items())


def test_persons_may_start_otherwise_than_groups(items):
    recipe = replace(QUICK, start="random", person_start="informed")
    tuned = fit(tail(), items, recipe)
    for layer in tuned.layers.values():
        assert not torch.equal(layer.experts.A[0], layer.experts.A[1])  # each its own draw
    starts = tuned.starts["gate_proj"]
    assert starts.shape == (recipe.person.rank, tuned.layers["gate_proj"].base.in_features)
    assert not fit(tail(), items, replace(QUICK, start="random")).starts
