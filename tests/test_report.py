"""Tables over several seeds: means, spreads and what was chosen, from results made by hand."""

import pytest
import torch
from worlds import normal, random

from lore_core.evaluation import tables
from lore_core.evaluation.bootstrap import bootstrap, lead, share
from lore_core.evaluation.report import PEOPLE, report
from lore_core.evaluation.result import Result

COUNTS, SHOTS = (1, 5), 5
METHODS = ("lore", "bradley_terry", "perfect")
SIZES = {3: 20, 7: 30, 5: 25}  # seed -> users


def made(method, seed, parameters=100):
    """A result of 2 counts, 4 repeats, and as many users as the seed has."""
    n, level = SIZES[seed], METHODS.index(method) + seed
    return Result(
        seen=normal(n, seed=level) * 0.1 + 0.7,
        curve=normal(2, 4, n, seed=level + 20) * 0.1 + 0.7,
        control=normal(n, seed=level + 40) * 0.1 + 0.6,
        utility=normal(n, seed=level + 60) * 0.1 + {"lore": 2.0, "perfect": 3.0}.get(method, 1.0),
        about={
            "seed": seed,
            "chosen": "rank 3" if method == "lore" else "",
            "parameters": parameters,
            "pairs of a seen user": 40 + seed,
            "pairs of an unseen user": [1, 5],
        },
    )


def results(*seeds):
    return {method: [made(method, seed) for seed in seeds] for method in METHODS}


def table(name, *seeds, crowd="0.1"):
    return report({crowd: results(*seeds)}, COUNTS, SHOTS)[name].set_index("method")


def accuracies(method, *seeds):
    """Of unseen users after five shots."""
    return [one.curve[1].mean(0) for one in results(*seeds)[method]]


def test_a_row_is_over_all_seeds():
    row = table("table_1", 3, 7, 5).query("users == 'unseen'").loc["Bradley–Terry"]
    own, lores = accuracies("bradley_terry", 3, 7, 5), accuracies("lore", 3, 7, 5)
    assert tuple(row[["mean", "low", "high"]]) == bootstrap(own, random(0))
    ahead = row[["lore_ahead_mean", "lore_ahead_low", "lore_ahead_high", "lore_ahead_p"]]
    assert tuple(ahead) == lead(lores, own, random(0))
    means = torch.stack([one.mean() for one in own])
    assert row["mean"] == pytest.approx(float(means.mean()))
    assert row.sd_over_seeds == pytest.approx(float(means.std()))
    assert row.seeds == 3 and row.n_users == 20 + 30 + 25


def test_pairs_are_means_over_seeds_and_what_was_chosen_is_said_once():
    rows = table("table_1", 3, 7, 5)
    assert (rows.query("users == 'seen'").pairs == 45).all()
    assert (rows.query("users == 'unseen'").pairs == 5).all()
    assert (rows.chosen["LoRe"] == "rank 3").all() and (rows.chosen["Bradley–Terry"] == "").all()


def test_parameters_of_seeds_with_more_or_fewer_people_are_averaged():
    some = results(3, 7)
    some["lore"] = [made("lore", 3, 100), made("lore", 7, 107)]
    rows = report({PEOPLE: some}, COUNTS, SHOTS)["table_1"].set_index("method")
    assert (rows.parameters["LoRe"] == 104).all()


def test_gains_are_shares_of_the_gain_over_all_seeds():
    row = table("best_of_n", 3, 7).loc["LoRe"]
    mine, common, best = (
        [one.utility for one in results(3, 7)[m]] for m in ("lore", "bradley_terry", "perfect")
    )
    part = [a - b for a, b in zip(mine, common, strict=True)]
    whole = [a - b for a, b in zip(best, common, strict=True)]
    expected = share(part, whole, random(0))
    assert tuple(row[["share_mean", "share_low", "share_high"]]) == expected
    assert tuple(row[["utility_mean", "utility_low", "utility_high"]]) == bootstrap(mine, random(0))
    control = bootstrap([one.control for one in results(3, 7)["lore"]], random(0))
    assert row.another_users_mean == control.mean and row.seeds == 2


def test_the_spread_over_repeats_is_within_seeds():
    """Two seeds far apart, each of whose orders all reach the same."""
    some = results(3, 7)
    for one, level in zip(some["lore"], (0.5, 0.9), strict=True):
        one.curve[:] = level
    row = report({"0.1": some}, COUNTS, SHOTS)["few_shot"].set_index("method").loc["LoRe"].iloc[0]
    assert row.sd_over_repeats == pytest.approx(0, abs=1e-12)
    assert row["mean"] == pytest.approx(0.7) and row.seeds == 2


def test_of_one_seed_the_spread_over_seeds_is_zero():
    rows = table("table_1", 3)
    assert (rows.sd_over_seeds == 0).all() and (rows.seeds == 1).all()
    assert (rows.n_users == 20).all()


def test_people_have_a_table_of_controls_and_no_concentration():
    rows = table("controls", 3, 7, crowd=PEOPLE)
    assert (rows.seeds == 2).all() and "concentration" not in rows


def test_several_data_sets_of_real_people_are_told_apart_and_have_their_own_counts(tmp_path):
    crowds = {"electricity": results(3, 7), "train": results(5, 7)}
    some = report(crowds, {"electricity": COUNTS, "train": (5, 1)}, SHOTS)
    assert set(some) == {"table_1", "few_shot", "controls"}
    tables.write(some, tmp_path)
    for name, rows in some.items():
        read = tables.read(name, tmp_path)
        assert read.data.value_counts().to_dict() == {
            "electricity": len(rows) / 2,
            "train": len(rows) / 2,
        }
        alone = report({PEOPLE: results(3, 7)}, COUNTS, SHOTS)[name]
        first = rows[rows.data == "electricity"].drop(columns="data")
        assert first.equals(alone) and "data" not in alone
    assert some["few_shot"].query("data == 'train'").shots.tolist() == [5, 1] * len(METHODS)
    with pytest.raises(ValueError, match="few_shot has 5 rows for data 'train'.*expected 6"):
        tables.check("few_shot", some["few_shot"].iloc[:-1])


def test_conditions_are_rows_of_table_1_with_their_name(tmp_path):
    conditions = {"as it is": results(3, 7), "few pairs, noise": results(5, 7)}
    some = report({"0.1": results(3, 7)}, COUNTS, SHOTS, conditions)
    asked = some["conditions"].set_index(["condition", "method", "users"])
    alone = table("table_1", 3, 7).reset_index().set_index(["method", "users"])
    for method, users in alone.index:
        row = asked.loc[("as it is", method, users)]
        assert (row == alone.loc[(method, users)][row.index]).all()
    tables.write(some, tmp_path)
    assert len(tables.read("conditions", tmp_path)) == 2 * 3 * len(METHODS)
    with pytest.raises(ValueError, match="conditions has 8 rows for condition 'as it is'.*expecte"):
        tables.check("conditions", some["conditions"].iloc[1:])


def test_conditions_also_say_what_the_first_pair_of_a_new_user_is_worth():
    some = report({"0.1": results(3, 7)}, COUNTS, SHOTS, {"as it is": results(3, 7)})
    curve = some["few_shot"].set_index(["method", "shots"])
    conditions = some["conditions"]
    first = conditions[conditions.users == f"unseen, {min(COUNTS)} pair"].set_index("method")
    assert len(first) == len(METHODS)
    for method in first.index:
        expected = curve.loc[(method, min(COUNTS)), ["mean", "low", "high"]]
        assert (first.loc[method, ["mean", "low", "high"]] == expected).all()


def test_without_conditions_there_is_no_table_of_them():
    assert set(report({"0.1": results(3)}, COUNTS, SHOTS)) == {"table_1", "few_shot", "best_of_n"}


@pytest.mark.parametrize("column", ["seeds", "sd_over_seeds"])
def test_what_is_said_of_seeds_has_no_gaps(column):
    some = report({"0.1": results(3, 7)}, COUNTS, SHOTS)["table_1"]
    tables.check("table_1", some)
    with pytest.raises(ValueError, match="table_1 has gaps or text among its numbers"):
        tables.check("table_1", some.assign(**{column: None}))


def test_conditions_have_curves_too():
    conditions = {"as it is": results(3, 7), "noise": results(5, 7)}
    some = report({"0.1": results(3, 7)}, COUNTS, SHOTS, conditions)
    curves = some["few_shot_conditions"].set_index(["condition", "method", "shots"]).sort_index()
    assert len(curves) == 2 * len(METHODS) * len(COUNTS)
    expected = some["few_shot"].set_index(["method", "shots"])["mean"].sort_index()
    assert (curves["mean"]["as it is"] == expected).all()
    assert not (curves["mean"]["noise"] == expected).all()


def test_the_first_pair_is_not_none():
    with_none = {"as it is": results(3, 7)}
    some = report({"0.1": results(3, 7)}, (0, SHOTS), SHOTS, with_none)["conditions"]
    assert f"unseen, {SHOTS} pairs" in set(some.users) and "unseen, 0 pairs" not in set(some.users)
