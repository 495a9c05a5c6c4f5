"""`make figures`, on a crowd small enough for a test: tables, and going on where it stopped."""

import json
import subprocess
import sys

import plan
import pytest
import torch
import yaml
from headless import ROOT
from worlds import people

from lore_core.datasets import alpaca_eval, saved
from lore_core.evaluation import tables
from lore_core.evaluation.ceilings import CEILINGS
from lore_core.evaluation.report import check_methods
from lore_core.evaluation.result import Result
from lore_core.evaluation.synthetic import Crowd
from lore_core.methods.registry import REGISTRY

FULL = yaml.safe_load((ROOT / "profiles" / "full.yaml").read_text())
NAMES = {entry.name for entry in (*REGISTRY.values(), *CEILINGS.values())}
SYNTHETIC = ("table_1", "few_shot", "best_of_n", "conditions", "few_shot_conditions")
PERSONAL = ["lore", "per_user", "bradley_terry"]
METHODS = ["lore", "bradley_terry", "reference", "perfect"]
SMALL = {"n_seen": 40, "n_unseen": 20, "pool": 6, "counts": [1, 5], "repeats": 2, "shots": 5}


def run(config, folder):
    """Snakemake's account of a run of workflow/full.smk."""
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/full.smk"]
    done = subprocess.run(
        [*command, "--configfile", path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    places = {"out": str(folder / "tables"), "work": str(folder / "work")}
    config = FULL | SMALL | places | {"methods": METHODS, "concentrations": [0.1]}
    config |= {
        "asides": [],
        "seeds": [0, 1],
        "conditions": {"fewer pairs, as said": {"n_pairs": 12}},
    }
    config["condition_methods"] = ["lore", "reference"]
    (folder / "tables").mkdir()
    run(config, folder)
    return config, folder


def written(folder):
    return {name: tables.read(name, folder / "tables") for name in SYNTHETIC}


@pytest.mark.lesson
def test_it_writes_its_tables_with_every_method_over_all_seeds(small):
    made = written(small[1])
    for table in made.values():
        assert set(table.method) <= NAMES and "LoRe" in set(table.method)
        assert (table.seeds == 2).all()
    assert len(made["table_1"]) == 2 * len(METHODS)
    assert set(made["few_shot"].shots) == {1, 5}
    assert (made["table_1"].n_users == made["table_1"].users.map({"seen": 80, "unseen": 40})).all()


@pytest.mark.lesson
def test_conditions_stand_beside_the_first_crowd_as_it_is(small):
    made = written(small[1])
    table = made["conditions"].set_index(["condition", "users", "method"])
    assert set(table.index.get_level_values(0)) == {"as it is", "fewer pairs, as said"}
    assert set(table.index.get_level_values(2)) == {"LoRe", "reference"}
    seen = table.xs("seen", level="users").pairs
    assert (seen["as it is"] == 47).all() and (seen["fewer pairs, as said"] == 12).all()
    same = made["table_1"].set_index(["users", "method"])["mean"]
    assert same["seen", "LoRe"] == table["mean"]["as it is", "seen", "LoRe"]


@pytest.mark.lesson
def test_all_seeds_have_the_settings_that_they_chose_together(small):
    work = small[1] / "work" / "0.1" / "lore"
    found = [Result.load(work / f"{seed}.safetensors") for seed in (0, 1)]
    assert [one.about["seed"] for one in found] == [0, 1]
    table = written(small[1])["table_1"].query("method == 'LoRe'")
    assert {one.about["chosen"] for one in found} == set(table.chosen)
    assert found[0].about["validation"] == found[1].about["validation"]
    assert not torch.equal(found[0].seen, found[1].seen)


@pytest.mark.lesson
def test_means_lie_in_their_intervals_and_lore_is_never_ahead_of_itself(small):
    for table in written(small[1]).values():
        low, mean, high = (
            next(table[c] for c in table if c in (f, f"share_{f}")) for f in ("low", "mean", "high")
        )
        assert ((low - 1e-4 <= mean) & (mean <= high + 1e-4)).all()
    lore = written(small[1])["table_1"].query("method == 'LoRe'")
    assert (lore.lore_ahead_mean == 0).all() and (lore.lore_ahead_p == 1).all()


@pytest.mark.lesson
def test_a_perfect_observer_gains_all_and_one_reward_for_all_gains_nothing(small):
    table = written(small[1])["best_of_n"].set_index("method")
    assert table.loc["Bradley–Terry", "share_mean"] == 0
    assert table.share_mean.max() <= 1


@pytest.mark.lesson
def test_a_run_goes_on_where_it_stopped(small):
    config, folder = small
    assert "Nothing to be done" in run(config, folder)
    for path in ("work/0.1/reference/1.safetensors", "tables/table_1.csv"):
        (folder / path).unlink()
    account = run(config, folder)
    assert "method=reference" in account and "method=lore" not in account
    assert "crowd=0.1" in account and "crowd=fewer" not in account
    assert len(written(folder)) == len(SYNTHETIC)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The benchmark of a file of real people (made ones), with the profile for them."""
    folder = tmp_path_factory.mktemp("people")
    saved.write(folder / "people.safetensors", *people())
    config = yaml.safe_load((ROOT / "profiles" / "people.yaml").read_text())
    config |= {"data": str(folder / "people.safetensors"), "work": str(folder / "work")}
    config |= {"out": str(folder / "tables"), "repeats": 2, "methods": PERSONAL, "seeds": [0, 1]}
    run(config, folder)
    return folder


@pytest.mark.lesson
def test_real_people_go_through_selection_curve_and_table(real):
    """60 of unequal length: no concentration, no best of n, and how many pairs they gave."""
    names = ("table_1", "few_shot", "controls")
    made = {name: tables.read(name, real / "tables") for name in names}
    assert not (real / "tables" / "best_of_n.csv").exists()
    table, curve = made["table_1"], made["few_shot"]
    assert "concentration" not in table and "concentration" not in curve
    assert len(table) == 2 * len(PERSONAL) and set(curve.shots) == {1, 2, 3, 5, 9}
    chosen = table.set_index("method").chosen
    assert chosen["LoRe"].iloc[0].startswith("rank ")
    given = curve[curve.method == "LoRe"].set_index("shots").pairs
    assert given[1] == 1 and given[5] < given[9] < 9  # some gave fewer than nine
    control = made["controls"].set_index("method")
    assert control.loc["LoRe", "another_users_mean"] < control.loc["LoRe", "mean"]
    lore = curve[curve.method == "LoRe"]
    assert ((lore.low <= lore["mean"]) & (lore["mean"] <= lore.high)).all()


def test_methods_that_the_tables_cannot_be_made_of_are_refused_before_anything_runs():
    with pytest.raises(ValueError, match=r"methods \['lora'\] are unknown, expected some of refer"):
        check_methods(["lore", "lora"], best_of_n=False)
    with pytest.raises(ValueError, match=r"compare with \['bradley_terry', 'perfect'\]; add them"):
        check_methods(["lore"], best_of_n=True)


@pytest.mark.parametrize("profile", ["full", "people", "real_people"])
def test_a_profile_names_methods_that_there_are(profile):
    config = yaml.safe_load((ROOT / "profiles" / f"{profile}.yaml").read_text())
    plan.check(config)
    assert {*config["methods"], *config["asides"]} <= {*REGISTRY, *CEILINGS}
    assert len(config["seeds"]) == 3
    if profile != "full":
        assert not any(REGISTRY[method].needs for method in config["methods"])


def test_the_committed_tables_are_those_of_the_profile():
    few_shot = tables.read("few_shot")
    assert set(few_shot.concentration) == set(FULL["concentrations"])
    assert sorted(set(few_shot.shots)) == FULL["counts"]
    entries = REGISTRY | CEILINGS
    named = {entries[method].name for method in FULL["methods"] + FULL["asides"]}
    assert set(few_shot.method) == named


@pytest.mark.parametrize("seed", range(10))
def test_at_every_seed_everybody_has_the_pairs_that_the_profile_asks_for(seed):
    """Specialists find many prompts undecided; those are replaced before anything is trained."""
    sizes = {name: FULL[name] for name in ("n_seen", "n_unseen", "n_pairs", "pool")}
    study = Crowd(concentration=0.01, **sizes).study(alpaca_eval.load(), seed)
    assert set(study.train.counts.tolist()) == {FULL["n_pairs"]}
    assert set(study.shots.counts.tolist()) == {FULL["pool"]}
    assert set(study.validation_shots.counts.tolist()) == {FULL["pool"]}
