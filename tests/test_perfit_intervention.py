"""PerFit's φ says what its formula says, starts as nothing, and counts what was published."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrizations
from worlds import random

from lore_core.language_model.tail import Tail
from lore_core.perfit import counting, start
from lore_core.perfit.intervention import Intervention, Interventions, Units
from lore_core.perfit.nudge import Nudge
from lore_core.perfit.orthonormal import orthonormal
from lore_core.perfit.positions import Positions
from lore_core.perfit.presets import PRESETS, SCALED
from lore_core.perfit.recipe import PAPER, Recipe

D, R, N = 12, 3, 4
USER = torch.tensor([2, 0, 2, 3, 3, 2])  # nobody's is 1
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def values(*shape, seed=0):
    return torch.randn(*shape, generator=random(seed))


def learned(part, seed=0):
    """As if it had been trained."""
    for place, weight in enumerate(part.parameters()):
        weight.data.add_(values(*weight.shape, seed=seed + place))
    return part.requires_grad_(False)


def shift(seed=0):
    return learned(Intervention(start.random(random(seed), R, D)), seed)


def shifts(seed=1):
    return learned(Interventions(N, start.random(random(seed), R, D)), seed)


def by_hand(x, rows, W, b):
    """φ of one state, number by number: its coordinate along each row is replaced."""
    found = x.clone()
    for j in range(len(rows)):
        wanted = sum(float(W[j, i] * x[i]) for i in range(D)) + float(b[j])
        had = sum(float(rows[j, i] * x[i]) for i in range(D))
        for i in range(D):
            found[i] += float(rows[j, i]) * (wanted - had)
    return found


# φ


def test_a_shift_is_the_formula_number_by_number():
    one, x = shift(), values(5, D, seed=9)
    expected = torch.stack([by_hand(row, one.R, one.W, one.b) for row in x])
    torch.testing.assert_close(one(x), expected, **CLOSE)


def test_each_state_is_moved_by_its_own_users_shift():
    many, x = shifts(), values(len(USER), D, seed=9)
    moved = many(x, USER)
    for row, user in enumerate(USER.tolist()):
        expected = by_hand(x[row], many.R[user], many.W[user], many.b[user])
        torch.testing.assert_close(moved[row], expected, **CLOSE)


@pytest.mark.parametrize("units", [None, Units(values(D, seed=4), 3.0)])
def test_it_starts_as_the_identity_exactly(units):
    x, rows = 700 + 100 * values(len(USER), D), start.random(random(0), R, D)
    one, many = Intervention(rows), Interventions(N, rows)
    one.units = many.units = units
    for composition in ("after", "beside"):
        assert torch.equal(Nudge(one, many, composition)(x, USER), x)


def test_it_changes_nothing_orthogonal_to_its_rows():
    one, x = shift(), values(50, D)
    change, rows = one(x) - x, one.R
    assert (change - change @ rows.T @ rows).abs().max() < 1e-6 * change.abs().max()
    assert change.abs().max() > 1


def test_without_w_the_coordinates_become_b():
    one = shift()
    one.W.zero_()
    found = one(values(7, D)) @ one.R.T
    torch.testing.assert_close(found, one.b.expand(7, R), **CLOSE)


def test_in_two_dimensions_one_direction_is_replaced_and_the_other_left():
    one = Intervention(torch.tensor([[3.0, 4.0]])).requires_grad_(False)
    one.W.zero_(), one.b.fill_(10.0)
    # Along (.6, .8) the point (5, 10) has the coordinate 11, which becomes 10.
    torch.testing.assert_close(one(torch.tensor([5.0, 10.0])), torch.tensor([4.4, 9.2]))


def test_trained_on_standard_coordinates_it_is_a_shift_of_the_states_themselves():
    for part, more in ((shift(), ()), (shifts(), (USER,))):
        x = 50 + 5 * values(len(USER), D)
        part.units = Units(x.mean(0), 7.0)
        before, z = part(x, *more), (x - x.mean(0)) / 7
        plain = copy.deepcopy(part)
        plain.units = None
        torch.testing.assert_close(before, x.mean(0) + 7 * plain(z, *more), rtol=1e-5, atol=1e-4)
        part.settle()
        assert part.units is None
        torch.testing.assert_close(part(x, *more), before, rtol=1e-5, atol=1e-3)
        torch.testing.assert_close(part.free, part.R, rtol=0, atol=1e-6)


@pytest.mark.parametrize("composition", ["after", "beside"])
def test_two_shifts_follow_one_another_or_stand_side_by_side(composition):
    one, many, x = shift(), shifts(), values(len(USER), D)
    follow, beside = many(one(x), USER), one(x) + many(x, USER) - x
    expected = {"after": follow, "beside": beside}[composition]
    torch.testing.assert_close(Nudge(one, many, composition)(x, USER), expected, **CLOSE)
    assert not torch.allclose(follow, beside)


def test_states_in_half_precision_are_moved_in_full():
    one, x = shift(), values(5, D).bfloat16()
    assert one(x).dtype == torch.bfloat16
    assert torch.equal(one(x), x + (one(x.float()) - x.float()).bfloat16())


# R


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("make", [shift, shifts])
def test_its_rows_are_orthonormal_after_fifty_steps(make, decay):
    part = make().requires_grad_(True)
    x = 10 * values(len(USER), D)
    more = (USER,) if make is shifts else ()
    optimizer = torch.optim.AdamW(part.parameters(), lr=0.1, weight_decay=decay)
    before = part.R.detach().clone()
    for _ in range(50):
        optimizer.zero_grad()
        (part(x, *more) - x.flip(1)).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(part.R @ part.R.mT, torch.eye(R).expand(*part.R.shape[:-1], R))
    trained = USER.unique() if make is shifts else slice(None)
    assert (part.R - before)[trained].norm() > 0.1


def test_rows_are_made_orthonormal_as_gram_and_schmidt_do():
    rows = values(N, R, D, seed=5).double()
    found = orthonormal(rows)
    for one, expected in zip(found, rows, strict=True):
        for j in range(R):
            v = expected[j] - sum((expected[j] @ one[k]) * one[k] for k in range(j))
            torch.testing.assert_close(one[j], v / v.norm())
    torch.testing.assert_close(orthonormal(found), found)
    scaled = orthonormal(rows * torch.tensor([3.0, 0.1, 9.0])[:, None])
    torch.testing.assert_close(scaled, found)


def test_its_gradient_is_that_of_finite_differences():
    rows = values(2, R, 5, seed=6).double().requires_grad_()
    assert torch.autograd.gradcheck(orthonormal, rows)


def test_torchs_own_orthogonal_map_does_not_survive_weight_decay():
    # Why it is not used here. Should this fail one day, it could be.
    module = torch.nn.Module()
    module.R = torch.nn.Parameter(values(R, D))
    parametrizations.orthogonal(module, "R")
    module.R.sum().backward()
    torch.optim.AdamW(module.parameters(), lr=1e-4, weight_decay=1e-2).step()
    assert (module.R == 0).all()


# Where it starts


def test_random_rows_are_orthonormal_and_a_seed_repeats():
    one, two, other = (start.random(random(seed), R, D) for seed in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)
    torch.testing.assert_close(one @ one.T, torch.eye(R))


def test_shared_rows_are_numpys_leading_right_singular_vectors():
    moved = values(20, D, seed=3) * torch.linspace(3, 0.1, D)
    found = start.from_shared(moved, R).double().numpy()
    expected = np.linalg.svd(moved.double().numpy())[2][:R]
    assert np.abs(np.abs((found * expected).sum(1)) - 1).max() < 1e-6


def test_label_rows_span_what_parts_the_labels_and_further_ones_are_drawn():
    weights = {name: torch.ones(D) for name in ("norm", "final_norm")}
    weights |= {name: torch.zeros(8, D) for name in ("gate_proj", "up_proj")}
    weights |= {"down_proj": torch.zeros(D, 8), "final_norm": 1 + values(D, seed=2).abs()}
    net = Tail(weights, values(4, D, seed=1), 1e-5)
    rows = start.labels(net, 5, random(0))
    torch.testing.assert_close(rows @ rows.T, torch.eye(5), rtol=0, atol=1e-5)
    # Moving a state within its sphere along what is orthogonal to the first three parts no labels.
    apart = (net.head.weight - net.head.weight[0]) * net.final_norm.weight
    left = apart - apart @ rows[:3].T @ rows[:3]
    assert left.abs().max() < 1e-5
    assert torch.equal(start.labels(net, 2, random(1)), rows[:2])


# Which tokens


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("l1", [5]),
        ("l2", [4, 5]),
        ("f3", [1, 2, 3]),
        ("f1+l2", [1, 4, 5]),
        ("f3+l3", [1, 2, 3, 4, 5]),
        ("f7+l7", [1, 2, 3, 4, 5]),
    ],
)
def test_positions_are_counted_within_the_prompt_and_none_twice(text, chosen):
    positions = Positions.parse(text)
    assert str(positions) == text
    for ahead, behind in ((1, 2), (0, 3), (4, 0)):  # padding on both sides, or what is answered
        prompt = torch.tensor([[False] * ahead + [True] * 5 + [False] * behind])
        found = positions.of(prompt)[0].nonzero().flatten() - ahead + 1
        assert found.tolist() == chosen


# Presets and counts


def test_presets_read_as_the_published_readme():
    table = {
        "movie_tagging": "32 4 14;15 f7+l7 4",
        "news_categorize": "16 32 14;15;16 f7+l7 6",
        "news_headline": "32 4 14;15;16 l7 4",
    }
    assert {name: " ".join(each.flags.values()) for name, each in PRESETS.items()} == table
    assert list(PRESETS["news_headline"].flags) == [
        "--low_rank_dimension",
        "--user_low_rank_dimension",
        "--intervene_layer",
        "--positions",
        "--max_epoch",
    ]


def test_scaled_presets_keep_depth_and_share_of_the_width():
    assert {name: " ".join(each.flags.values()) for name, each in SCALED.items()} == {
        "movie_tagging": "5 1 13;14 f7+l7 4",
        "news_categorize": "2 5 13;14;15 f7+l7 6",
        "news_headline": "5 1 13;14;15 l7 4",
    }


def test_a_presets_recipe_has_its_ranks_layers_and_passes():
    recipe = PRESETS["news_categorize"].recipe()
    assert (recipe.shared.rank, recipe.personal.rank) == (16, 32)
    assert (recipe.shared.passes, recipe.personal.passes) == (6, 6)
    assert recipe.layers == (14, 15, 16) and recipe.positions == "f7+l7"
    assert recipe.shared.learning_rate == PAPER.shared.learning_rate == 1e-4
    assert (PAPER.shared.passes, PAPER.personal.passes) == (3, 2)
    assert (PAPER.shared.weight_decay, PAPER.shared.clip) == (1e-2, 0.3)


def test_the_counts_are_the_published_ones():
    layers = {"movie_tagging": 2, "news_categorize": 3, "news_headline": 3}
    found = {
        name: tuple(counting.perfit(layers[name], r, 4096) for r in ranks)
        for name, ranks in {
            "movie_tagging": (32, 4),
            "news_categorize": (16, 32),
            "news_headline": (32, 4),
        }.items()
    }
    assert found == {
        "news_categorize": (393_264, 786_528),
        "movie_tagging": (524_352, 65_544),
        "news_headline": (786_528, 98_316),
    }
    assert counting.OPPU == {"shared": 6_291_456, "personal": 4_194_304}
    percents = [p for both in counting.REDUCTIONS.values() for p in both]
    assert round(sum(percents) / len(percents), 1) == 92.9
    tasks = {"news_categorize": "LaMP-2N", "movie_tagging": "LaMP-2M", "news_headline": "LaMP-4"}
    for name, task in tasks.items():
        stages = zip(found[name], counting.OPPU.values(), counting.REDUCTIONS[task], strict=True)
        for ours, theirs, published in stages:
            assert counting.reduction(ours, theirs) == pytest.approx(published, abs=0.01)


def test_the_formula_counts_what_was_built():
    one = Intervention(start.random(random(0), R, D))
    assert sum(w.numel() for w in one.parameters()) == counting.perfit(1, R, D)
    many = Interventions(N, start.random(random(0), R, D))
    assert sum(w.numel() for w in many.parameters()) == N * counting.perfit(1, R, D)


def test_a_recipe_without_later_stages_keeps_the_rest():
    recipe = Recipe(composition="beside")
    assert recipe.up_to(None).stages == () and recipe.up_to("shared").stages == ("shared",)
    assert recipe.up_to("personal") == recipe
    assert recipe.up_to(None).composition == "beside"
