"""From many policies to few: greedy against exact, the best n, and what users then get."""

from dataclasses import replace
from itertools import combinations

import pytest
import torch

from lore_core.palm import (
    Portfolio,
    Targets,
    UnitRewards,
    baselines,
    covering_grid,
    of_size,
    optimum,
    palm,
    paper_grid,
    smallest,
    tilt,
    values,
)
from lore_core.palm.cover import exact_cover, gaps, greedy_cover
from lore_core.palm.coverage import random_points
from lore_core.palm.prune import exchanged, left, table, up_to
from lore_core.palm.usage import perplexity, usage
from lore_core.tools import draws

PAPER = 2 / 5, 1 / 80


def rewards(n_prompts=20, n_candidates=6, n_rewards=3, seed=0):
    """Unit rewards of a random world in which candidates that are good at one thing are few."""
    draw = draws.generator(seed)
    values = draws.uniform(draw, n_prompts * n_candidates, n_rewards) ** 3
    prompt = torch.arange(n_prompts).repeat_interleave(n_candidates)
    return UnitRewards(values, prompt, torch.zeros(n_rewards), torch.ones(n_rewards))


def grid_of(unit, beta=0.0, grid=None):
    """The policies of a grid, which are their own targets."""
    grid = paper_grid(unit.values.shape[1], *PAPER) if grid is None else grid
    best = optimum(unit.values, unit.prompt, grid, beta)
    return tilt(unit.values, unit.prompt, grid, beta), Targets(grid, best)


def covers(seed, n=10):
    table = draws.uniform(draws.generator(seed), n, 14) < 0.3
    table[torch.arange(14) % n, torch.arange(14)] = True
    return table


def test_the_greedy_cover_covers_and_is_never_beaten_by_more_than_its_bound():
    larger = 0
    for seed in range(200):
        table = covers(seed)
        greedy, exact = greedy_cover(table), exact_cover(table)
        harmonic = sum(1 / k for k in range(1, int(table.sum(1).max()) + 1))
        assert table[greedy].any(0).all() and table[exact].any(0).all()
        assert len(exact) <= len(greedy) <= harmonic * len(exact)
        larger += len(greedy) > len(exact)
    assert larger > 0, "or the two were not told apart"


def test_the_exact_cover_is_the_smallest_of_all_sets():
    for seed in range(20):
        table = covers(seed, n=7)
        sets = [list(rows) for n in range(1, 8) for rows in combinations(range(7), n)]
        assert len(exact_cover(table)) == min(
            len(rows) for rows in sets if table[rows].any(0).all()
        )


def test_of_rows_that_add_equally_many_the_cheaper_is_taken():
    table = torch.ones(3, 4, dtype=torch.bool)
    assert greedy_cover(table, cost=torch.tensor([0.3, 0.1, 0.2])) == [1]


def test_gaps_by_hand():
    worth = torch.tensor([[1.0, 0.3], [0.5, 0.6]])
    torch.testing.assert_close(
        gaps(worth, torch.tensor([1.0, 0.6])), torch.tensor([[0, 0.5], [0.5, 0]])
    )
    shorter = torch.tensor([[0, (0.6 - 0.1 - 0.3) / 0.6], [0.4, 0]])
    torch.testing.assert_close(gaps(worth, torch.tensor([1.0, 0.6]), delta=0.1), shorter)
    assert gaps(torch.zeros(1, 1), torch.zeros(1)).item() == 0, (
        "who can have nothing misses nothing"
    )


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_everybody_finds_a_policy_within_epsilon(beta):
    policies, targets = grid_of(rewards(), beta)
    for epsilon in (0.02, 0.05, 0.2):
        found = smallest(policies, targets, epsilon)
        gap = table(found.policies, targets, 0.0).amin(0)
        assert gap.max() <= epsilon
        more = smallest(policies, targets, epsilon, delta=0.02)
        assert len(more) <= len(found)


def test_an_epsilon_that_no_policy_reaches_names_the_weight():
    policies, targets = grid_of(rewards())
    few = policies[[0, 1]]
    with pytest.raises(ValueError, match=r"no policy of this grid .* for weight \[.*finer grid"):
        smallest(few, targets, 0.001)


def test_more_policies_are_never_worse_and_all_of_them_reach_the_grids_own_floor():
    unit = rewards()
    grid = paper_grid(3, *PAPER)[::2]
    _, targets = grid_of(unit)
    policies = tilt(unit.values, unit.prompt, grid, 0.0)
    gap = table(policies, targets, 0.0)
    left = []
    for n in range(1, len(grid) + 3):
        found = of_size(policies, targets, n)
        assert len(found) == min(n, len(grid))
        left.append(float(table(found.policies, targets, 0.0).amin(0).max()))
    assert all(later <= earlier + 1e-12 for earlier, later in zip(left, left[1:], strict=False))
    assert left[-1] == pytest.approx(float(gap.amin(0).max()))


def test_a_larger_portfolio_is_never_worse_in_any_world():
    for seed in range(12):
        policies, targets = grid_of(rewards(seed=seed, n_prompts=6), grid=paper_grid(3, 0.5, 0.05))
        sizes = up_to(policies, targets, 10)
        worst = [float(table(one.policies, targets, 0.0).amin(0).max()) for one in sizes]
        assert all(b <= a + 1e-12 for a, b in zip(worst, worst[1:], strict=False))


def test_a_policy_is_exchanged_for_a_better_one_until_there_is_none():
    gap = torch.tensor([[0.0, 0.9, 0.9], [0.9, 0.5, 0.5], [0.9, 0.1, 0.2], [0.9, 0.2, 0.1]])
    assert sorted(exchanged(gap, [0, 1])) in ([0, 2], [0, 3])
    assert exchanged(gap, [0, 2]) == [0, 2], "equally good is no reason"


def test_the_best_few_are_near_the_best_of_all_sets():
    """Against every set of three; the search is a heuristic and may miss by a little."""
    for seed in range(5):
        policies, targets = grid_of(rewards(seed=seed), grid=paper_grid(3, 0.5, 0.1))
        gap = table(policies, targets, 0.0)
        best = min(left(gap, list(three))[0] for three in combinations(range(len(gap)), 3))
        found = of_size(policies, targets, 3)
        reached = table(found.policies, targets, 0.0).amin(0).max()
        assert best - 1e-12 <= reached <= best * 1.05


def test_permuting_the_rewards_permutes_the_portfolio():
    unit, order = rewards(), torch.tensor([2, 0, 1])
    permuted = replace(unit, values=unit.values[:, order])
    one, other = palm(unit, n=4, beta=0.1), palm(permuted, n=4, beta=0.1)  # no two policies alike
    ordered = {tuple(row) for row in one.weights[:, order].numpy().round(9).tolist()}
    assert {tuple(row) for row in other.weights.numpy().round(9).tolist()} == ordered


def test_users_are_served_by_the_policy_that_is_worth_most_to_them():
    unit, users = rewards(), random_points(200, 3, draws.generator(1))
    portfolio = palm(unit, n=4, beta=0.05)
    worth = values(portfolio.policies, users)
    assert torch.equal(portfolio.assign(users), worth.argmax(0))
    assert portfolio.route(users[:3]) == [f"policy_{j}" for j in worth.argmax(0)[:3].tolist()]
    served = portfolio.serve(users, unit.values, unit.prompt)
    torch.testing.assert_close(served.got, worth.amax(0))
    torch.testing.assert_close(served.best, optimum(unit.values, unit.prompt, users, 0.05))
    torch.testing.assert_close(served.base, (unit.values @ users.T).mean(0))
    torch.testing.assert_close(served.share, served.absolute / (served.best - served.base))
    torch.testing.assert_close(portfolio.gap(users, unit.values, unit.prompt), served.relative)


def test_on_other_prompts_nobody_is_assigned_anew():
    unit, other = rewards(), rewards(seed=1)
    users = random_points(300, 3, draws.generator(1))
    portfolio = palm(unit, n=4)
    here = values(tilt(other.values, other.prompt, portfolio.weights, 0.0), users)
    expected = here[portfolio.assign(users), torch.arange(300)]
    served = portfolio.serve(users, other.values, other.prompt)
    torch.testing.assert_close(served.got, expected, atol=1e-12, rtol=0)
    assert (here.amax(0) > expected).any(), "another policy would have been better for some"


def test_everyones_own_policy_misses_nothing():
    unit, users = rewards(), random_points(50, 3, draws.generator(1))
    own = Portfolio.of(tilt(unit.values, unit.prompt, baselines.everyone(users), 0.05))
    assert own.gap(users, unit.values, unit.prompt).max() < 1e-12


def test_a_portfolio_is_saved_and_loaded_whole(tmp_path):
    one = replace(palm(rewards(), n=3, beta=0.1), scale=torch.tensor([1.0, 2.0, 3.0]))
    one.save(tmp_path / "p.safetensors")
    other = Portfolio.load(tmp_path / "p.safetensors")
    for name in ("weights", "reward", "cost", "shift", "scale"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert one.beta == other.beta


def test_one_seed_repeats_its_draws_and_two_differ():
    crowd = random_points(90, 3, draws.generator(9))
    for draw in (
        lambda seed: baselines.random(5, 3, draws.generator(seed)),
        lambda seed: baselines.uniform(5, 3, draws.generator(seed)),
        lambda seed: baselines.clusters(crowd, 5, draws.generator(seed)),
    ):
        assert torch.equal(draw(0), draw(0))
        assert any(not torch.equal(draw(0), draw(seed)) for seed in (1, 2, 3))


def test_uniform_weights_are_lattice_points_with_the_vertices_first():
    for n in range(1, 16):
        found = baselines.uniform(n, 3, draws.generator(n))
        assert len(found) == n == len(found.unique(dim=0))
        assert (found[: min(n, 3)].amax(1) == 1).all()
    six = baselines.uniform(6, 3, draws.generator(0))
    assert {tuple(row) for row in six.tolist()} == {
        (1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)
    }  # fmt: skip


def test_clusters_find_the_camps_of_a_crowd():
    camps = torch.eye(3, dtype=torch.float64) * 0.9 + 0.1 / 3
    users = camps.repeat(30, 1) + 0.02 * random_points(90, 3, draws.generator(0))
    users = users / users.sum(1, keepdim=True)
    found = baselines.clusters(users, 3, draws.generator(1))
    assert torch.cdist(found, camps).amin(0).max() < 0.02
    torch.testing.assert_close(baselines.one(users), users.mean(0, keepdim=True))


def test_usage_by_hand():
    shares = usage(torch.tensor([0, 0, 2, 2]), 3)
    assert shares.tolist() == [0.5, 0.0, 0.5]
    assert perplexity(shares) == pytest.approx(2)
    assert perplexity(torch.full((4,), 0.25)) == pytest.approx(4)


BAD = {
    "nobody is served": (lambda: usage(torch.zeros(0, dtype=torch.long), 3), "number of users"),
    "a policy that is not there": (lambda: usage(torch.tensor([3]), 3), "there are 3"),
    "no policies": (lambda: palm(rewards(), n=0), "n is 0"),
    "n and epsilon": (lambda: palm(rewards(), n=3, epsilon=0.1), "exactly one"),
    "neither": (lambda: palm(rewards()), "exactly one"),
    "an epsilon of 1": (lambda: palm(rewards(), epsilon=1.0), "epsilon"),
    "a negative epsilon": (lambda: palm(rewards(), epsilon=-0.1), "epsilon"),
    "a negative delta": (lambda: palm(rewards(), n=2, delta=-0.1), "delta"),
    "a negative beta": (lambda: palm(rewards(), n=2, beta=-0.1), "beta"),
    "a grid for another K": (lambda: palm(rewards(), n=2, grid=paper_grid(2, *PAPER)), "2 columns"),
    "too many rewards": (lambda: palm(rewards(n_rewards=6), n=2), "lazy_grid"),
    "users of another K": (lambda: palm(rewards(), n=2).assign(torch.eye(2)), "2 columns"),
    "users off the simplex": (lambda: palm(rewards(), n=2).assign(torch.ones(1, 3)), "simplex"),
    "users with NaN": (lambda: palm(rewards(), n=2).assign(torch.full((1, 3), torch.nan)), "NaN"),
    "a column that nobody covers": (
        lambda: greedy_cover(torch.zeros(2, 2, dtype=torch.bool)),
        "column 0",
    ),
    "covers that are numbers": (lambda: exact_cover(torch.zeros(2, 2)), "bool"),
    "fewer users than clusters": (
        lambda: baselines.clusters(torch.eye(3), 4, draws.generator(0)),
        "3 known",
    ),
    "shapes that differ": (lambda: replace(palm(rewards(), n=2), cost=torch.zeros(3)), "shapes"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused(what):
    call, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        call()


def test_another_file_is_refused(tmp_path):
    (tmp_path / "p.safetensors").write_bytes(b"no portfolio")
    with pytest.raises(ValueError, match="save it again"):
        Portfolio.load(tmp_path / "p.safetensors")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Portfolio.load(tmp_path / "nothing.safetensors")


def test_a_finer_grid_has_a_lower_floor():
    """Of the covering grid more policies reach what none of the paper's grid does."""
    unit = rewards()
    fine = covering_grid(3, *PAPER)
    targets = Targets(fine, optimum(unit.values, unit.prompt, fine, 0.0))
    floors = [
        float(table(tilt(unit.values, unit.prompt, grid, 0.0), targets, 0.0).amin(0).max())
        for grid in (paper_grid(3, *PAPER), torch.cat([paper_grid(3, *PAPER), fine]))
    ]
    assert floors[1] < 1e-12 and floors[0] > 0.001
