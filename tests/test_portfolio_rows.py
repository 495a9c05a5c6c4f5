"""The tables of lesson 8: what their rows hold, and that they are those of `make figures`."""

import numpy as np
import pandas as pd
import pytest
import torch

from lore_core.datasets import alpaca_eval
from lore_core.evaluation import portfolio_rows, small_tables
from lore_core.palm import covering_grid, palm
from lore_core.palm.comparison import compare, trait_rewards, world
from lore_core.palm.from_lore import BASE, BEST
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES

RESPONSES = alpaca_eval.load()
METHODS = {"PALM", "clusters", "uniform", "random"}


@pytest.fixture(scope="module")
def three():
    return world(RESPONSES, portfolio_rows.THREE, seed=3)


def test_rewards_of_unseen_prompts_are_on_the_scale_of_the_seen_ones_and_share_none():
    seen, unseen = trait_rewards(RESPONSES, portfolio_rows.THREE, seed=0)
    assert not set(seen.prompt.tolist()) & set(unseen.prompt.tolist())
    columns = [RESPONSES.trait_names.index(name) for name in portfolio_rows.THREE]
    raw = RESPONSES.traits[:, columns].double().numpy()
    on_seen = torch.isin(RESPONSES.prompt, seen.prompt).numpy()
    low, high = np.quantile(raw[on_seen], [0.01, 0.99], axis=0)
    on_unseen = torch.isin(RESPONSES.prompt, unseen.prompt).numpy()
    expected = ((raw[on_unseen] - low) / (high - low)).clip(0, 1)
    np.testing.assert_allclose(unseen.values.numpy(), expected, atol=1e-12)
    assert (seen.scale == 1).all() and (seen.shift == 0).all()


def test_what_is_missed_is_that_of_the_portfolio_itself(three):
    """A row of the comparison, made again from `palm` and `gap`."""
    found = compare(three, [4], draws.generator(0)).set_index("method")
    portfolio = palm(three.seen, n=4)
    on = three.unseen.values, three.unseen.prompt
    gap = portfolio.gap(three.new, *on)
    crowd = portfolio.serve(three.crowd, *on)
    assert found.worst_gap["PALM"] == pytest.approx(float(gap.max()))
    assert found.mean_gap["PALM"] == pytest.approx(float(gap.mean()))
    assert found.worst_lost["PALM"] == pytest.approx(
        float(portfolio.serve(three.new, *on).share.max())
    )
    lost = crowd.absolute.sum() / (crowd.best - crowd.base).sum()
    assert found.crowd_lost["PALM"] == pytest.approx(float(lost))


def test_every_method_has_a_row_for_each_size_and_random_weights_one_for_each_draw(three):
    found = compare(three, [2, 3], draws.generator(0), n_random=3, grid=covering_grid(3, 0.5, 0.1))
    counts = found.groupby(["policies", "method"]).size()
    assert {method for _, method in counts.index} == METHODS
    assert (counts.xs("random", level=1) == 3).all() and counts.sum() == 12
    assert found[portfolio_rows.MEASURED].gt(0).all().all()


def test_a_summary_has_the_mean_and_the_ends_of_the_middle():
    runs = pd.DataFrame(
        {"policies": 5, "method": "PALM", **{m: range(11) for m in portfolio_rows.MEASURED}}
    )
    [row] = portfolio_rows.summary(runs).to_dict("records")
    assert (row["worst_gap_mean"], row["worst_gap_low"], row["worst_gap_high"]) == (5, 1, 9)
    assert row["draws"] == 11


def test_the_ladder_has_shares_of_what_is_possible():
    table = portfolio_rows.ladder(RESPONSES, seeds=(0, 1), n_new=100).set_index("rung")
    assert table["mean"][BEST] == 1 and table["mean"][BASE] == 0
    assert (table["low"] <= table["mean"]).all() and (table["mean"] <= table["high"]).all()
    seed = portfolio_rows.climbed(RESPONSES, 0, n_new=100)
    one = portfolio_rows.ONE
    ratio = float((seed[one] - seed[BASE]).sum() / (seed[BEST] - seed[BASE]).sum())
    assert ratio in (pytest.approx(table.lowest_seed[one]), pytest.approx(table.highest_seed[one]))


def test_the_committed_tables_are_whole():
    numbers = [
        f"{name}_{end}" for name in portfolio_rows.MEASURED for end in ("mean", "low", "high")
    ]
    keys = ["setting", "policies", "method"]
    table = small_tables.read(FIGURES / "portfolio.csv", keys, numbers)
    settings = portfolio_rows.settings(RESPONSES)
    assert list(table.setting.unique()) == list(settings)
    assert len(table) == len(settings) * len(portfolio_rows.SIZES) * len(METHODS)
    ladder = small_tables.read(FIGURES / "ladder.csv", ["rung"], ["mean", "low", "high"])
    assert (ladder.seeds == len(portfolio_rows.SEEDS)).all() and len(ladder) == 9


def test_a_trait_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="trait is 'wit', expected one of"):
        trait_rewards(RESPONSES, ["brevity", "wit"], seed=0)
