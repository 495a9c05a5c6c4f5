"""What steering moved: the numbers of the table, and the pieces that make it."""

import subprocess
import sys

import pandas as pd
import pytest
import steering as driver
import torch
from worlds import normal, toy_responses

from lore_core import LowRankReward
from lore_core.evaluation import steering
from lore_core.tools import draws
from lore_core.tools.paths import FIGURES, ROOT

NAN = float("nan")
WEIGHTS = torch.tensor([0.25, 0.75]).double()
PLAIN = {
    "basis_scores": torch.tensor([[[0.0, 4.0], [4.0, 0.0]], [[0.0, 0.0], [2.0, 2.0]]]).double(),
    "words": torch.tensor([[1.0, 3.0], [5.0, 7.0]]).double(),
}
MIXED = {"basis_scores": normal(2, 3, 2), "words": torch.tensor([[1.0, 2, 3], [4, NAN, 6]])}


def test_each_way_is_the_mean_that_it_says():
    found = steering.ways(PLAIN, MIXED, WEIGHTS, beta=1.0)
    assert [*found] == ["plain", "best of 2", "tilted", "mixed logits"]
    assert found["plain"]["words"].tolist() == [2, 6]
    assert found["plain"]["reward"].tolist() == [2, 1]  # (3 + 1) / 2 and (0 + 2) / 2
    assert found["best of 2"]["words"].tolist() == [1, 7]
    assert found["best of 2"]["reward"].tolist() == [3, 2]
    share = torch.tensor([3.0, 1.0]).double().softmax(0)
    assert float(found["tilted"]["words"][0]) == pytest.approx(float(share @ PLAIN["words"][0]))
    assert found["mixed logits"]["words"].tolist() == [2, 5]  # a gap is left out
    by_hand = (MIXED["basis_scores"] @ WEIGHTS).mean(1)
    torch.testing.assert_close(found["mixed logits"]["reward"], by_hand)


def test_a_row_says_the_mean_and_how_far_it_is_ahead_in_the_users_unit():
    found = steering.ways(PLAIN, MIXED, WEIGHTS, beta=1.0)
    table = pd.DataFrame(steering.rows("Ada", found, torch.tensor(0.5), draws.generator(0)))
    row = table.set_index(["way", "measure"]).loc[("best of 2", "reward")]
    assert (row["mean"], row["ahead_mean"], row["prompts"]) == (5, 2, 2)
    assert row["low"] <= 5 <= row["high"]
    plain = table[table.way == "plain"]
    assert (plain[["ahead_mean", "ahead_low", "ahead_high"]] == 0).all(axis=None)


def test_the_table_says_the_same_under_the_same_seed(tmp_path):
    found = steering.ways(PLAIN, MIXED, WEIGHTS, beta=1.0)
    for name in ("one.csv", "two.csv"):
        rows = steering.rows("Ada", found, torch.ones(()), draws.generator(3))
        steering.write(rows, tmp_path / name)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_forty_prompts_are_compared_and_forty_others_learned_from():
    compared, learned = driver.prompts("compared"), driver.prompts("learned from")
    assert len(compared) == len(learned) == 40
    assert len({*compared, *learned}) == 80
    assert all(prompt.endswith(driver.REQUEST) for prompt in compared)


def test_a_basis_in_its_own_units_ranks_as_before():
    world = toy_responses()
    reward = LowRankReward(normal(6, 2), normal(3, 2, seed=1))
    basis, weights = driver.in_units(reward, reward.weights, world)
    before = (world.embeddings.double() @ reward.basis.double() @ reward.weights.double().T).T
    after = (world.embeddings.double() @ basis @ weights.T).T
    torch.testing.assert_close(
        after / after.std(1, keepdim=True), before / before.std(1, keepdim=True)
    )
    assert weights.sum(1).tolist() == pytest.approx([1, 1, 1])
    torch.testing.assert_close((world.embeddings.double() @ basis).std(0), torch.ones(2).double())


def test_the_pieces_fit_together():
    """Snakemake finds every piece; nothing is computed."""
    told = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/steering.smk", "-n"]
    work = ["--config", "work=build/no_such_steering", "out=build/no_such_steering"]
    found = subprocess.run([*told, *work], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "total          8" in found.stdout + found.stderr


@pytest.mark.skipif(not (FIGURES / "steering.csv").is_file(), reason="not computed yet")
def test_the_committed_table_has_both_users_and_all_ways():
    table = pd.read_csv(FIGURES / "steering.csv")
    assert set(table.user) == set(driver.USERS) and set(table.prompts) == {40}
    assert set(table.way) == {"plain", f"best of {driver.N}", "tilted", "mixed logits"}
    assert not table.isna().any(axis=None)
    assert ((table.low <= table["mean"]) & (table["mean"] <= table.high)).all()
    keys = ["user", "way", "measure"]
    assert len(table.drop_duplicates(keys)) == len(table)
