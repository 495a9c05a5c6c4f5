"""PROPER's layers say what its formulas say, freeze what is frozen, and leave a model as it was."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from worlds import properties, random

from lore_core.proper import count
from lore_core.proper.inject import inject
from lore_core.proper.linear import ProperLinear
from lore_core.proper.low_rank import LowRank, LowRanks
from lore_core.proper.penalty import constraint, mean_shares
from lore_core.proper.routers import FixedRouter, LoraRouter, UserRouter, bounds
from lore_core.proper.who import Who

M, N, IN, OUT, R, ALPHA = 3, 4, 6, 5, 2, 5.0  # experts, users, sides, rank, α: s = 2.5
USER = torch.tensor([2, 0, 2, 3])
CLOSE = {"rtol": 1e-6, "atol": 1e-6}


def values(*shape, seed=0):
    return torch.randn(*shape, generator=random(seed))


def stack(n, seed=0, r=R, i=IN, o=OUT):
    """Updates that have learned something."""
    made = LowRanks(n, r, i, o, ALPHA, random(seed))
    made.B.data.copy_(values(*made.B.shape, seed=seed + 100))
    return made


def base(seed=0, i=IN, o=OUT):
    linear = nn.Linear(i, o)
    linear.weight.data.copy_(values(o, i, seed=seed))
    linear.bias.data.copy_(values(o, seed=seed + 1))
    return linear


def router(kind, **options):
    if kind == "lora":
        return LoraRouter(M, OUT, random(5))
    if kind == "fixed":
        return FixedRouter(values(N, M, seed=6).softmax(1))
    return UserRouter(M, N, IN, random(7), softmax=kind, **options)


def layer(kind="double", personal=True, user=USER, **options):
    one = LowRank(R, IN, OUT, ALPHA, random(3))
    one.B.data.copy_(values(OUT, R, seed=9))
    parts = {"population": one, "experts": stack(M), "router": router(kind)}
    parts |= {"personal": stack(N, seed=1) if personal else None} | options
    return ProperLinear(base(), **parts, who=Who(user))


def by_hand(adapted, x, user):
    """One token of one user, from the formulas; s B A is worked out as a matrix."""
    s, dot = ALPHA / R, torch.mv
    linear, one, experts, own = (
        adapted.base,
        adapted.population,
        adapted.experts,
        adapted.personal,
    )
    q = dot(s * own.B[user] @ own.A[user], x)
    route = adapted.router
    if isinstance(route, LoraRouter):
        rho = dot(route.weight, q).softmax(0)
    elif isinstance(route, FixedRouter):
        rho = route.table[user]
    else:
        inner = [dot(route.by_input, x), dot(route.by_user, route.table[user])]
        if route.softmax == "double":
            inner = [logits.softmax(0) for logits in inner]
        rho = (inner[0] + inner[1]).softmax(0)
    h = dot(linear.weight, x) + linear.bias + dot(s * one.B @ one.A, x) + q
    for m in range(M):
        h = h + rho[m] * dot(s * experts.B[m] @ experts.A[m], x) / (M if adapted.average else 1)
    return h, rho


def model(seed=0):
    """Two blocks with linear layers of two names."""
    blocks = [
        nn.ModuleDict({"up": base(seed + b, IN, OUT), "down": base(seed + b + 7, OUT, IN)})
        for b in range(2)
    ]
    return nn.ModuleDict({"blocks": nn.ModuleList(blocks), "head": base(seed + 20, IN, 2)})


def read(net, x):
    for block in net["blocks"]:
        x = x + block["down"](block["up"](x).tanh())
    return net["head"](x)


def full(name, linear):
    i, o = linear.in_features, linear.out_features
    return ProperLinear(
        linear,
        population=LowRank(R, i, o, ALPHA, random(1)),
        experts=LowRanks(M, R, i, o, ALPHA, random(2)),
        router=UserRouter(M, N, i, random(3)),
        personal=LowRanks(N, R, i, o, ALPHA, random(4)),
    )


def learned(injected):
    """As if every part had been trained."""
    for seed, adapted in enumerate(injected.layers.values()):
        for part in (adapted.population, adapted.experts, adapted.personal):
            part.B.data.copy_(values(*part.B.shape, seed=seed))
    return injected


def content(net):
    return {
        name: (w.detach().numpy().tobytes(), w.requires_grad)
        for name, w in net.state_dict(keep_vars=True).items()
    }


# The layer


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("kind", ["double", "single", "lora", "fixed"])
def test_the_layer_is_the_formula_token_by_token(kind, average):
    adapted = layer(kind, average=average).double()
    x = values(len(USER), 7, IN).double()
    h = adapted(x)
    for text, user in enumerate(USER):
        for token in range(7):
            expected, rho = by_hand(adapted, x[text, token], user)
            torch.testing.assert_close(h[text, token], expected, **CLOSE)
            torch.testing.assert_close(adapted.shares[text, token], rho, **CLOSE)


@pytest.mark.parametrize("kind", ["double", "single", "lora", "fixed"])
def test_a_text_of_one_token_needs_no_dimension_for_tokens(kind):
    adapted = layer(kind).double()
    x = values(len(USER), IN).double()
    flat, shares = adapted(x), adapted.shares
    torch.testing.assert_close(adapted(x[:, None])[:, 0], flat, **CLOSE)
    assert shares.shape == (len(USER), M) and adapted.shares.shape == (len(USER), 1, M)


@pytest.mark.parametrize("kind", ["double", "lora", "fixed"])
def test_a_batch_of_many_users_is_each_user_alone(kind):
    adapted = layer(kind).double()
    x = values(len(USER), 7, IN).double()
    together = adapted(x)
    for text in range(len(USER)):
        adapted.who.user = USER[text : text + 1]
        torch.testing.assert_close(adapted(x[text : text + 1])[0], together[text], **CLOSE)


def test_without_anything_learned_it_is_the_base_bit_for_bit():
    net = model()
    x = values(len(USER), 7, IN)
    before = read(net, x)
    injected = inject(net, ["up", "down"], full)
    injected.who.user = USER
    assert torch.equal(read(net, x), before)


def test_a_layer_without_parts_is_its_base():
    adapted = ProperLinear(base())
    x = values(4, IN)
    assert torch.equal(adapted(x), adapted.base(x)) and adapted.shares is None
    adapted = layer("double")
    adapted(x)
    adapted.population = adapted.experts = adapted.personal = None
    assert torch.equal(adapted(x), adapted.base(x)) and adapted.shares is None


@pytest.mark.parametrize("given", [{}, {"use_user": False}, {"use_input": False}])
@pytest.mark.parametrize("softmax", ["double", "single"])
def test_a_router_sees_what_it_may_see(given, softmax):
    route = router(softmax, **given)
    x, other = values(4, 7, IN), values(4, 7, IN, seed=1)
    shares = route(x, None, USER)
    same_user, same_input = route(other, None, USER), route(x, None, USER.flip(0))
    torch.testing.assert_close(shares.sum(-1), torch.ones(4, 7))
    assert torch.equal(shares, same_user) == (given == {"use_input": False})
    assert torch.equal(shares, same_input) == (given == {"use_user": False})


def test_dropout_leaves_out_inputs_of_updates_alone_and_a_seed_repeats():
    adapted = layer("fixed", dropout=0.5)
    x = values(len(USER), IN)
    with pytest.raises(ValueError, match=r"set `who.source`"):
        adapted(x)
    runs = []
    for seed in (0, 0, 1):
        adapted.who.source = random(seed)
        runs.append(adapted(x))
    kept = torch.rand(x.shape, dtype=torch.float64, generator=random(0)) >= 0.5
    adapted.eval()
    expected = adapted.update(x * kept * 2)
    torch.testing.assert_close(runs[0] - adapted.base(x), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


def test_a_router_sees_the_inputs_that_dropout_leaves_out():
    adapted = layer("double", dropout=0.5)
    adapted.who.source = random(0)
    x = values(len(USER), IN)
    adapted(x)
    assert torch.equal(adapted.shares, adapted.router(x, None, USER))


@pytest.mark.parametrize(("kind", "n_weights"), [("double", 3), ("lora", 1)])
def test_gradients_are_those_of_finite_differences(kind, n_weights):
    adapted = layer(kind).double()
    x = values(len(USER), 2, IN).double()
    learning = {name: w for name, w in adapted.named_parameters() if w.requires_grad}
    assert len(learning) == 2 + 2 + n_weights + 2

    def output(*given):
        return torch.func.functional_call(adapted, dict(zip(learning, given, strict=True)), (x,))

    assert torch.autograd.gradcheck(output, tuple(learning.values()))


def test_updates_in_full_precision_serve_a_model_in_half():
    linear = base().bfloat16()
    adapted = ProperLinear(linear, personal=stack(N), who=Who(USER))
    x = values(len(USER), IN).bfloat16()
    assert adapted(x).dtype == torch.bfloat16
    expected = linear(x) + adapted.personal.one(x.float(), USER).bfloat16()
    assert torch.equal(adapted(x), expected)


# Routes and their penalty


@given(st.integers(1, 8), st.sampled_from([1, 2]), st.floats(0, 100), st.integers(0, 99))
@properties
def test_a_double_softmax_stays_within_its_bounds(m, terms, size, seed):
    low, high = bounds(m, terms)
    route = UserRouter(m, N, IN, random(seed), use_input=terms == 2, spread=size)
    shares = route(size * values(4, IN, seed=seed), None, USER)
    assert low - 1e-6 <= shares.min() and shares.max() <= high + 1e-6


def test_the_bounds_are_reached_where_both_softmaxes_agree():
    assert bounds(5) == pytest.approx((1 / (math.e**2 + 4), math.e**2 / (math.e**2 + 4)))
    assert [round(b, 3) for b in bounds(5)] == [0.088, 0.649]
    route = UserRouter(5, 1, 2, random(0))
    for weight in (route.by_input, route.by_user, route.table):
        weight.data.zero_()[0, 0] = 100
    shares = route(torch.tensor([[1.0, 0.0]]), None, torch.tensor([0]))[0]
    assert (shares.min().item(), shares.max().item()) == pytest.approx(bounds(5))


def test_a_single_softmax_can_choose_one_expert():
    route = UserRouter(5, 1, 2, random(0), softmax="single")
    for weight in (route.by_input, route.by_user, route.table):
        weight.data.zero_()[0, 0] = 100
    assert route(torch.tensor([[1.0, 0.0]]), None, torch.tensor([0])).max() > 0.999


def test_the_penalty_is_the_published_double_sum():
    shares = [values(4, 7, M, seed=seed).softmax(-1) for seed in range(2)]
    counted = torch.arange(7) < torch.tensor([[7], [3], [1], [5]])
    expected = 0.0
    for one in shares:
        for text in range(4):
            omega = one[text][counted[text]].mean(0)
            pairs = [omega[m] * omega[n] for m in range(M) for n in range(M) if m != n]
            expected += sum(pairs) / 4
    found = constraint(shares, counted, strength=0.5)
    assert float(found) == pytest.approx(0.5 * float(expected), abs=1e-6)


def test_the_penalty_of_one_token_is_that_of_its_shares():
    shares = values(4, M).softmax(-1)
    assert constraint([shares]) == constraint([shares[:, None]])
    assert torch.equal(mean_shares(shares), shares)


def test_a_text_of_which_nothing_counts_is_left_out_of_the_penalty():
    shares = values(2, 7, M).softmax(-1)
    counted = torch.tensor([[True] * 7, [False] * 7])
    torch.testing.assert_close(constraint([shares], counted), constraint([shares[:1]]))


def test_the_penalty_is_least_at_one_expert_and_largest_at_even_shares():
    one_hot, even = torch.eye(M), torch.full((2, M), 1 / M)
    assert constraint([one_hot]) == 0
    assert float(constraint([even])) == pytest.approx(1 - 1 / M)
    assert float(constraint([values(50, M).softmax(1)])) < 1 - 1 / M


def test_the_published_penalty_has_no_gradient_and_the_live_one_has_its_own():
    adapted = layer("double").double()
    adapted(values(len(USER), 7, IN).double())
    assert not constraint([adapted.shares]).requires_grad
    found = torch.autograd.grad(constraint([adapted.shares], detached=False), adapted.router.table)
    assert found[0].abs().sum() > 0

    def live(logits):
        return constraint([logits.softmax(-1)], counted, detached=False)

    counted = torch.arange(3) < torch.tensor([[3], [2]])
    assert torch.autograd.gradcheck(live, values(2, 3, M).double().requires_grad_())


# Frozen, merged, ejected


@pytest.mark.parametrize("parts", [("experts", "router"), ("personal",), ("population",)])
def test_frozen_means_frozen(parts):
    net = model()
    injected = learned(inject(net, ["up", "down"], full))
    injected.who.user = USER
    injected.train_only("population", "experts", "router", "personal")
    read(net, values(len(USER), 7, IN)).sum().backward()  # an earlier stage
    weights = injected.train_only(*parts)
    before = content(net)
    for _ in range(2):
        read(net, values(len(USER), 7, IN)).square().sum().backward()
        torch.optim.SGD(weights, 0.01).step()
    moved = {name for name, now in content(net).items() if now != before[name]}
    trained = {name for name in before if any(f".{part}." in name for part in parts)}
    assert moved == trained
    left = {name for name, w in net.named_parameters() if w.grad is not None}
    assert left == trained


def test_only_the_users_of_a_batch_move():
    adapted = layer("double")
    adapted(values(len(USER), IN)).sum().backward()
    still = sorted(set(range(N)) - set(USER.tolist()))
    for table in (adapted.personal.A, adapted.personal.B, adapted.router.table):
        assert (table.grad[still] == 0).all() and table.grad[USER].abs().sum() > 0


def test_a_merged_population_says_what_it_said():
    net = model()
    injected = learned(inject(net, ["up", "down"], full))
    injected.who.user = USER
    x = values(len(USER), 7, IN) / 4
    before = read(net, x)
    injected.merge_population()
    assert all(adapted.population is None for adapted in injected.layers.values())
    torch.testing.assert_close(read(net, x), before, rtol=1e-5, atol=1e-5)
    injected.merge_population()  # there is nothing left to merge
    torch.testing.assert_close(read(net, x), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("merge", [False, True])
def test_ejecting_leaves_the_model_as_it_was_bit_for_bit(merge):
    net = model()
    net["head"].requires_grad_(False)
    before, modules = content(net), dict(net.named_modules())
    injected = learned(inject(net, r"blocks\.\d+\.up", full))
    assert not any(w.requires_grad for w in net["blocks"][0]["up"].base.parameters())
    if merge:
        injected.merge_population()
    injected.eject()
    assert content(net) == before and dict(net.named_modules()) == modules


def test_merged_weights_can_stay_in_the_model():
    net = model()
    injected = learned(inject(net, ["up"], full))
    expected = (
        injected.layers["blocks.0.up"].population.delta() + net["blocks"][0]["up"].base.weight
    )
    injected.merge_population()
    injected.eject(merged=True)
    assert type(net["blocks"][0]["up"]) is nn.Linear
    assert torch.equal(net["blocks"][0]["up"].weight, expected)


def test_names_are_found_by_their_end_or_by_an_expression():
    assert list(inject(model(), ["up"], full).layers) == ["blocks.0.up", "blocks.1.up"]
    assert list(inject(model(), r"blocks\.1\..*", full).layers) == ["blocks.1.up", "blocks.1.down"]
    net = model()
    inject(net, ["up"], full)
    second = inject(net, r".*(up|down|base)", full)
    assert list(second.layers) == ["blocks.0.down", "blocks.1.down"]


@pytest.mark.parametrize("training", [False, True])
def test_a_layer_trains_or_rests_as_the_one_before_it(training):
    net = model().train(training)
    inject(net, ["up"], full)
    assert all(module.training == training for module in net.modules())


def test_a_failed_injection_leaves_the_model_as_it_was():
    def fails(name, linear):
        if name.endswith("1.up"):
            raise ValueError("on purpose")
        return full(name, linear)

    net = model()
    before = content(net)
    with pytest.raises(ValueError, match="on purpose"):
        inject(net, ["up"], fails)
    assert content(net) == before


def test_a_router_meets_new_users_as_the_mean_user():
    route = router("double")
    x, mean = values(2, IN), route.table.detach().mean(0)
    expected = F.linear(x, route.by_input).softmax(1) + (route.by_user @ mean).softmax(0)
    route.requires_grad_(False)
    table = route.meet(2)
    assert table is route.table and table.requires_grad and table.shape == (2, IN)
    shares = route(x, None, torch.tensor([1, 0]))
    torch.testing.assert_close(shares, expected.softmax(1), **CLOSE)


def test_given_shares_stay_as_they_were_given():
    table = torch.eye(M)
    route = FixedRouter(table)
    table.fill_(0)
    assert torch.equal(route(values(2, IN), None, torch.tensor([0, 2])), torch.eye(M)[[0, 2]])


def test_a_copy_says_the_same_and_learns_alone():
    net = model()
    injected = learned(inject(net, ["up", "down"], full))
    injected.who.user = USER
    x = values(len(USER), 7, IN)
    before = read(net, x)
    other = copy.deepcopy(injected)
    assert torch.equal(read(other.model, x), before)
    other.layers["blocks.0.up"].personal.B.data.add_(1)
    other.who.user = USER.flip(0)
    assert torch.equal(read(net, x), before) and not torch.equal(read(other.model, x), before)


def test_one_seed_draws_the_same_start_and_two_differ():
    drawn = [LowRanks(50, 8, 100, 20, ALPHA, random(seed)).A for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert drawn[0].std().item() == pytest.approx(100**-0.5, rel=0.02)
    users = UserRouter(M, 200, 100, random(0), spread=3.0).table
    assert users.std().item() == pytest.approx(3.0, rel=0.02)


# Counting


def test_the_numbers_of_a_large_model_are_the_published_ones():
    sides = count.mlp_sides(layers=32, hidden=4096, mlp=11008)
    assert count.lora(sides, r=4) == 5_799_936
    assert 5 * count.lora(sides, r=4) == 28_999_680
    assert count.user_tables(sides, n_users=101) == 62_054_400


def test_the_formulas_count_what_was_built():
    net = model()
    injected = inject(net, r".*up|.*0\.down", full)
    counted = count.of(injected)
    sides = [(IN, OUT), (OUT, IN), (IN, OUT)]
    assert counted == {
        "population": count.lora(sides, R),
        "experts": M * count.lora(sides, R),
        "router": count.user_router(sides, M),
        "tables": count.user_tables(sides, N),
        "personal": N * count.lora(sides, R),
    }
    assert counted["experts"] + counted["router"] == count.shared(sides, R, M)
    assert counted["tables"] + counted["personal"] == N * count.per_user(sides, R)
    injected.train_only("personal")
    assert count.of(injected) == counted
    for adapted in injected.layers.values():
        adapted.router = LoraRouter(M, adapted.base.out_features, random(0))
    assert count.of(injected) == counted | {"router": count.lora_router(sides, M), "tables": 0}
    for adapted in injected.layers.values():
        adapted.router = FixedRouter(torch.full((N, M), 1 / M))
    assert count.of(injected) == counted | {"router": 0, "tables": 0}
