"""Levels, grids and whom they cover; and what the lemma promises to whom they cover."""

from math import ceil, log

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given, settings
from worlds import properties

from lore_core.palm import (
    additive,
    combined,
    covering_grid,
    lazy_grid,
    multiplicative,
    paper_grid,
    simplex_grid,
    uncovered,
    worst_cell,
)
from lore_core.palm.coverage import lattice, lattice_size, random_points
from lore_core.palm.grids import n_points
from lore_core.palm.guarantee import lemma_bound, measured
from lore_core.palm.levels import edges
from lore_core.tools import draws

many = settings(properties, max_examples=60)
PAPER = 2 / 5, 1 / 80  # ε' and δ' of PALM's Figure 1
errors = st.tuples(st.floats(0.05, 0.9), st.floats(0.005, 0.3))


def near(levels, weights, relative, absolute):
    """Whether each weight has a level with an error of at most relative · weight + absolute."""
    off = (levels[None] - weights[:, None]).abs().amin(1)
    return off <= relative * weights + absolute + 1e-9


def test_the_papers_errors_need_five_levels():
    found = edges(*PAPER)
    assert len(found) == len(combined(*PAPER)) == 5
    assert [round(u, 3) for u in found.tolist()] == [0.0, 0.042, 0.139, 0.366, 0.895]


@given(errors)
@many
def test_levels_are_those_of_the_recursion_and_as_many_as_the_closed_form_says(both):
    relative, absolute = both
    u, borders, levels = 0.0, [], []
    while u < 1 - 1e-9:
        w = (1 + relative) * u + absolute
        borders, levels = borders + [u], levels + [min(w, 1.0)]
        u = (w + absolute) / (1 - relative)
    m = ceil(log(1 + relative / absolute) / log((1 + relative) / (1 - relative)) - 1e-9)
    assert m == len(levels)
    torch.testing.assert_close(edges(*both), torch.tensor(borders, dtype=torch.float64))
    torch.testing.assert_close(combined(*both), torch.tensor(levels, dtype=torch.float64))


@given(errors)
@many
def test_every_weight_from_0_to_1_has_a_level(both):
    weights = torch.linspace(0, 1, 1001, dtype=torch.float64)
    assert near(combined(*both), weights, *both).all()
    assert near(additive(both[1]), weights, 0, both[1]).all()
    positive = weights[weights >= 0.01]
    assert near(multiplicative(both[0], 0.01), positive, both[0], 0).all()


def test_relative_levels_never_reach_0():
    assert not near(multiplicative(0.4, 0.01), torch.tensor([0.001]), 0.4, 0).any()


def test_the_papers_grid_for_three_rewards_has_45_weights_and_leaves_gaps():
    grid = paper_grid(3, *PAPER)
    assert len(grid) == 45
    point, excess = worst_cell(grid, *PAPER)
    assert excess > 0 and uncovered(grid, point[None], *PAPER).all()


@pytest.mark.parametrize(("n_rewards", "both"), [(2, PAPER), (3, PAPER), (4, (0.4, 0.05))])
def test_the_covering_grid_leaves_nobody_uncovered(n_rewards, both):
    grid = covering_grid(n_rewards, *both)
    torch.testing.assert_close(grid.sum(1), torch.ones(len(grid), dtype=torch.float64))
    points = random_points(10_000, n_rewards, draws.generator(0))
    points = torch.cat([points, lattice(n_rewards, 30)])
    assert not uncovered(grid, points, *both).any()
    assert worst_cell(grid, *both, generator=draws.generator(1))[1] <= 1e-9


@given(st.integers(2, 3), errors, st.integers(0, 10**6))
@many
def test_the_covering_grid_covers_at_any_errors(n_rewards, both, seed):
    assume(both[1] <= (1 - both[0]) / n_rewards and (n_rewards == 2 or both[0] > 0.2))
    points = random_points(300, n_rewards, draws.generator(seed))
    corners = torch.eye(n_rewards, dtype=torch.float64)
    grid = covering_grid(n_rewards, *both)
    assert not uncovered(grid, torch.cat([points, corners]), *both).any()


def test_uncovered_is_what_a_loop_finds():
    grid, points = paper_grid(3, *PAPER), random_points(400, 3, draws.generator(2))

    def covered(w, v):
        return all(abs(a - b) <= PAPER[0] * b + PAPER[1] for a, b in zip(w, v, strict=True))

    loop = [not any(covered(w, v) for w in grid.tolist()) for v in points.tolist()]
    assert uncovered(grid, points, *PAPER).tolist() == loop
    assert any(loop) and not all(loop)


@pytest.mark.parametrize("n_rewards", [3, 5, 10])
def test_the_lazy_grid_covers_its_crowd_with_no_more_weights_than_users(n_rewards):
    users = random_points(300, n_rewards, draws.generator(3)) ** 3
    users = users / users.sum(1, keepdim=True)
    grid = lazy_grid(users, *PAPER)
    assert len(grid) <= 300 and not uncovered(grid, users, *PAPER).any()


@pytest.mark.parametrize("n_rewards", [2, 3, 4])
def test_the_size_of_a_grid_is_known_before_it_is_made(n_rewards):
    levels = torch.tensor([0.1, 0.25, 0.6], dtype=torch.float64)
    tuples = torch.cartesian_prod(*[levels] * (n_rewards - 1)).view(-1, n_rewards - 1)
    assert n_points(levels, n_rewards) == n_rewards * int((tuples.sum(1) <= 1 + 1e-9).sum())
    assert len(simplex_grid(levels, n_rewards)) <= n_points(levels, n_rewards)


def test_a_grid_that_would_be_too_large_is_refused_before_it_is_made():
    with pytest.raises(ValueError, match=r"would have 242,415 weights for 5 rewards.*lazy_grid"):
        covering_grid(5, *PAPER)
    with pytest.raises(ValueError, match="45 weights for 3 rewards, above limit=44"):
        paper_grid(3, *PAPER, limit=44)


def test_a_lattice_has_every_weight_once():
    points = lattice(3, 4)
    assert len(points) == lattice_size(3, 4) == 15 == len(points.unique(dim=0))
    assert (points.sum(1) == 1).all() and {0.0, 0.25, 1.0} <= set(points.flatten().tolist())


@given(
    st.integers(2, 4),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.floats(0.1, 0.6),
    st.floats(0.01, 0.1),
    st.integers(0, 10**6),
)
@many
def test_the_lemma_is_never_violated(n_rewards, beta, relative, absolute, seed):
    draw = draws.generator(seed)
    rewards = draws.uniform(draw, 24, n_rewards) ** 4
    prompt = torch.arange(6).repeat(4)
    users = random_points(60, n_rewards, draw)
    grid = lazy_grid(users, relative, absolute)
    found = measured(rewards, prompt, grid, users, relative, absolute, beta)
    assert len(found.loss) >= 60, "everybody is in a cell"
    assert (found.loss >= -1e-12).all() and (found.loss <= found.bound + 1e-12).all()


def test_the_bound_by_hand():
    epsilon, delta = lemma_bound(0.4, 0.0125, reward_max=2.0, value_max=0.8)
    assert (epsilon, delta) == pytest.approx((0.8, 2 * (0.025 + 0.32)))


BAD = {
    "no relative error": (lambda: combined(0.0, 0.1), "relative"),
    "a relative error of 1": (lambda: combined(1.0, 0.1), "relative"),
    "no absolute error": (lambda: combined(0.4, 0.0), "absolute"),
    "NaN": (lambda: paper_grid(3, 0.4, float("nan")), "absolute"),
    "one reward": (lambda: paper_grid(1, *PAPER), "n_rewards"),
    "a rest below 0": (lambda: covering_grid(3, 0.4, 0.3), r"at most \(1 - ε'\)/K = 0.2"),
    "nobody": (lambda: lazy_grid(torch.zeros(0, 3), *PAPER), "number of users"),
    "users off the simplex": (lambda: lazy_grid(torch.ones(2, 3), *PAPER), "simplex"),
    "points of another K": (
        lambda: uncovered(lattice(3, 2), lattice(2, 2), *PAPER),
        "2 coordinates",
    ),
    "no generator": (lambda: worst_cell(lattice(4, 2), *PAPER), "generator"),
    "no smallest weight": (lambda: multiplicative(0.4, 0.0), "smallest"),
    "a smallest weight above 1": (lambda: multiplicative(0.4, 1.5), "smallest"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused(what):
    call, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        call()
