"""`make sweep`: one job for each run, killed and resumed, and what its file may ask for."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import sweep
import torch
import yaml
from headless import ROOT
from worlds import people, toy_responses

from lore_core.datasets import saved
from lore_core.evaluation import sweep_file, sweep_rows
from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.study import SEEN, UNSEEN
from lore_core.evaluation.sweep import Run, has_rank
from lore_core.methods.lore import LoRe
from lore_core.methods.registry import REGISTRY
from lore_core.recipes import WEAK_RIDGE

COURSE = yaml.safe_load((ROOT / "profiles" / "sweep.yaml").read_text())
ALPHAS = [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0]
FAILS = "people/people/reference/seed_0"  # these people's responses have no traits


def asked(folder, **changes):
    """A small sweep of a world with traits, and of people without; 24 runs."""
    world = replace(toy_responses(n_prompts=200), trait_names=("judge", "second", "third"))
    saved.write(folder / "world.safetensors", world)
    saved.write(folder / "people.safetensors", *people())
    settings = {
        "data": {
            "world": {"data": str(folder / "world.safetensors"), "concentrations": ALPHAS},
            "people": {"data": str(folder / "people.safetensors")},
        },
        "methods": {"mean_difference": None, "reference": None, "per_user": None},
        "seeds": [0],
        **{"n_seen": 12, "n_unseen": 8, "n_pairs": 10, "pool": 4},
        **{"counts": [1, 3], "repeats": 2, "shots": 3},
        "out": str(folder / "sweep.parquet"),
        "work": str(folder / "runs"),
    }
    return settings | changes


def write(folder, settings):
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def start(path):
    """`make sweep`, in a process group of its own."""
    command = [sys.executable, "workflow/sweep.py", str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def results(folder):
    """What is there: name -> when it was written, and as which file."""
    found = {path: path.stat() for path in (folder / "runs").rglob("seed_*.safetensors")}
    return {
        str(path.relative_to(folder / "runs").with_suffix("")): (stat.st_mtime_ns, stat.st_ino)
        for path, stat in found.items()
    }


def at_work(group):
    """Whether a process of the group is left; what is dead and not yet buried does not count."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    fields = [stat.rpartition(") ")[2].split() for stat in stats]
    return any(int(field[2]) == group and field[0] != "Z" for field in fields)


def executed(said):
    """The runs that ended, in the words of the jobs."""
    lines = [line.split() for line in said.splitlines()]
    return sorted(line[1] for line in lines if line[:1] in (["finished"], ["failed"]))


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A sweep that is killed when 7 results are there, and the same command once more."""
    folder = tmp_path_factory.mktemp("sweep")
    path = write(folder, asked(folder))
    first, until = start(path), time.monotonic() + 240
    while len(results(folder)) < 7 and first.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    before = results(folder)
    again = start(path)
    said, _ = again.communicate()
    return folder, before, said, again.returncode, first.pid


@pytest.mark.lesson
def test_a_killed_sweep_executes_what_is_missing_and_nothing_twice(story):
    folder, before, said, _, _ = story
    every = {run.name for run in sweep_file.read(folder / "sweep.yaml")[1]}
    assert len(every) == 24 and 7 <= len(before) < 20
    after = results(folder)
    assert {name: after[name] for name in before} == before
    assert executed(said) == sorted(every - before.keys() | {FAILS})
    assert after.keys() == every - {FAILS}


@pytest.mark.lesson
@pytest.mark.skipif(not Path("/proc").exists(), reason="lists processes as Linux does")
def test_nothing_of_a_killed_sweep_lives_on(story):
    assert not at_work(story[4])


@pytest.mark.lesson
def test_a_run_that_fails_leaves_its_traceback_and_the_others_finish(story):
    folder, _, said, code, _ = story
    log = folder / "runs" / f"{FAILS}.log"
    assert code == 1 and "23 of 24 runs are in" in said and str(log) in said
    text = log.read_text()
    assert text.startswith("Traceback") and "ValueError: reference reads traits" in text
    others = [path.read_text() for path in (folder / "runs").rglob("seed_*.log") if path != log]
    assert not any("Traceback" in text for text in others)


@pytest.mark.lesson
def test_the_table_has_a_row_for_each_run_that_is_there_its_blocks_and_shots(story):
    table = pd.read_parquet(story[0] / "sweep.parquet")
    assert dict(table.dtypes.astype(str)) == sweep_rows.COLUMNS
    key = ["data", "concentration", "method", "rank", "seed", "block", "shots"]
    assert not table.duplicated(key).any()
    assert len(table) == 23 * 4
    assert set(table.concentration.dropna()) == set(ALPHAS)
    assert table.concentration.isna().eq(table.data == "people").all()
    assert (table.low <= table["mean"] + 1e-9).all() and (table["mean"] <= table.high + 1e-9).all()
    seen = table.block == SEEN
    assert table.shots.isna().eq(seen).all() and set(table.shots[table.block == UNSEEN]) == {1, 3}


@pytest.mark.lesson
def test_another_file_asks_for_the_changed_runs_only(story, monkeypatch):
    monkeypatch.chdir(ROOT)
    folder = story[0]
    settings = yaml.safe_load((folder / "sweep.yaml").read_text())
    settings["data"]["people"]["repeats"] = 1
    plan = sweep.plan(settings, sweep_file.runs(settings))
    told = plan | {"work": str(folder / "copy")}
    for name in results(folder):
        path = folder / "copy" / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((folder / "runs" / f"{name}.safetensors").read_bytes())
    assert {name.split("/")[0] for name in sweep.done(told)} == {"world"}
    assert not [*(folder / "copy" / "people").rglob("*.safetensors")]


def test_a_run_has_the_numbers_of_its_result(tmp_path):
    settings = asked(tmp_path, methods={"lore": [2]}, seeds=[3])
    run = Run.of(json.loads(json.dumps(sweep_file.runs(settings)[0].told())))
    result = run.result()
    table = sweep_rows.table(sweep_rows.rows(run, result)).set_index(["block", "shots"])
    assert run.name == "world/0.1/lore/rank_2/seed_3" and set(table["rank"]) == {2}
    assert set(table.method) == {"LoRe"} and set(table.seed) == {3} and (table.seconds > 0).all()
    for at, shots in enumerate((1, 3)):
        mean = float(result.curve[at].mean())
        assert table.loc[(UNSEEN, shots), "mean"] == pytest.approx(mean, abs=1e-12)
    [seen] = table.loc[SEEN, "mean"]
    assert seen == pytest.approx(float(result.seen.mean()), abs=1e-12)
    control = table.loc[sweep_rows.CONTROL, "mean"].item()
    assert control == pytest.approx(float(result.control.nanmean()), abs=1e-12)
    assert (result.seen != result.seen[0]).any()
    assert torch.isfinite(result.curve).all()


def test_runs_are_every_combination_each_once(tmp_path):
    methods = {"lore": [1, 2, 5], "bradley_terry": None}
    runs = sweep_file.runs(asked(tmp_path, methods=methods, seeds=[0, 4]))
    assert len({run.name for run in runs}) == len(runs) == 8 * 4 * 2
    assert {run.benchmark.seeds for run in runs} == {(0,), (4,)}
    drawn = [run for run in runs if run.data == "world"]
    assert {run.concentration for run in drawn} == set(ALPHAS)
    assert all(run.benchmark.crowd is None for run in runs if run.data == "people")


def test_a_data_set_may_have_counts_of_its_own(tmp_path):
    settings = asked(tmp_path)
    settings["data"]["people"] |= {"counts": [0, 2], "shots": 2}
    told = {run.data: run.benchmark for run in sweep_file.runs(settings)}
    assert (told["people"].counts, told["people"].shots) == ((0, 2), 2)
    assert (told["world"].counts, told["world"].shots) == ((1, 3), 3)


@pytest.mark.parametrize("method", [name for name in REGISTRY])
def test_a_rank_holds_for_every_setting_of_a_method_and_the_rest_stays(method):
    ranks = [7] if has_rank(method) else None
    [(_, rank)] = sweep_file.methods({method: ranks})
    found = Run("any", method, rank, Benchmark("train", None, (1,), 1, 1, (0,))).candidates
    if rank is None:
        assert found == REGISTRY[method].candidates
    else:
        assert {one.rank for one in found.values()} == {7}
        assert all(label.startswith("rank 7") for label in found)
        known = REGISTRY[method].candidates.values()
        assert set(found.values()) == {replace(one, rank=7) for one in known}


def test_the_sweep_of_the_course_is_small_and_can_be_read():
    runs = sweep_file.read(ROOT / "profiles" / "sweep.yaml")[1]
    assert 10 < len(runs) <= 40


BAD = {
    "an unknown method": ({"methods": {"lora": [2]}}, "the method 'lora' is unknown, expected"),
    "a rank for none": ({"methods": {"reference": [2]}}, "reference has the ranks .2., but it is"),
    "no rank": ({"methods": {"lore": None}}, "lore has the ranks None, expected a list such as"),
    "no ranks": ({"methods": {"lore": []}}, r"lore has the ranks \[\], expected a list such as"),
    "rank zero": ({"methods": {"lore": [0]}}, "one rank of lore is 0, expected a whole number"),
    "half a rank": ({"methods": {"lore": [1.5]}}, "one rank of lore is 1.5, expected a whole"),
    "a rank twice": ({"methods": {"lore": [2, 2]}}, "ranks of lore is .2, 2., expected every"),
    "no methods": ({"methods": {}}, "methods is {}, expected names"),
    "a list of methods": ({"methods": ["lore"]}, "methods is .'lore'., expected names"),
    "an unknown data set": ({"data": {"alpaca": None}}, "the data set 'alpaca' is unknown and no"),
    "a missing file": ({"data": {"a": {"data": "no.csv"}}}, "the data set 'no.csv' is unknown"),
    "a path as a name": ({"data": {"a/b": None}}, "a data set is called 'a/b', expected letters"),
    "no data": ({"data": {}}, "data is {}, expected names"),
    "no concentrations": (
        {"data": {"alpaca_eval": {"concentrations": []}}},
        r"concentrations of alpaca_eval is \[\], expected a list of numbers",
    ),
    "one concentration": (
        {"data": {"alpaca_eval": {"concentrations": 0.1}}},
        "concentrations of alpaca_eval is 0.1, expected a list of numbers",
    ),
    "concentration zero": (
        {"data": {"alpaca_eval": {"concentrations": [0]}}},
        "one of the concentrations of alpaca_eval is 0, expected a number above 0",
    ),
    "text for a number": (
        {"data": {"alpaca_eval": {"concentrations": ["0.1"]}}},
        "one of the concentrations of alpaca_eval is '0.1', expected a number above 0",
    ),
    "of its own, unknown": (
        {"data": {"alpaca_eval": {"ranks": [1]}}},
        r"data alpaca_eval has the unknown \['ranks'\], expected some of",
    ),
    "no seeds": ({"seeds": []}, r"seeds is \[\], expected a list of whole numbers"),
    "one seed": ({"seeds": 0}, "seeds is 0, expected a list of whole numbers"),
    "a seed below zero": ({"seeds": [-1]}, "one of seeds is -1, expected a whole number"),
    "shots not counted": ({"shots": 2}, "shots is 2, expected one of the counts"),
    "too many shots": ({"counts": [3, 9]}, "a new user has a pool of 4 pairs"),
    "users of text": ({"n_seen": "many"}, "n_seen is 'many', expected a whole number"),
    "no folder": ({"work": 3}, "work is a int, expected str"),
    "an unknown name": ({"rank": [2]}, r"the sweep has the unknown \['rank'\]; see"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_run_is_one_line_before_any_job_starts(changes, message, tmp_path, capsys):
    path = write(tmp_path, asked(tmp_path, **changes))
    assert sweep.main([str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("sweep: ") and said.count("\n") == 1
    with pytest.raises(ValueError, match=message):
        sweep_file.read(path)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("key", sweep_file.NEEDED)
def test_what_is_missing_is_named(key, tmp_path):
    settings = asked(tmp_path)
    del settings[key]
    with pytest.raises(ValueError, match=rf"the sweep lacks \['{key}'\]"):
        sweep_file.runs(settings)


@pytest.mark.parametrize("text", ["", "- a\n- b", "a: [", "\x00"])
def test_a_file_that_is_no_sweep_is_one_line(text, tmp_path, capsys):
    (tmp_path / "sweep.yaml").write_text(text)
    assert sweep.main([str(tmp_path / "sweep.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert sweep.main([str(tmp_path / "none.yaml")]) == sweep.main([]) == 2


def test_a_result_is_made_from_its_settings_and_from_those_of_the_registry(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = asked(tmp_path, methods={"lore": [2], "per_user": None})

    def marks():
        plan = sweep.plan(settings, sweep_file.runs(settings))
        return {name: told["made_from"] for name, told in plan["runs"].items()}

    first = marks()
    assert len(set(first.values())) == len(first) and marks() == first
    other = replace(REGISTRY["lore"], candidates={"rank 1": LoRe(1, WEAK_RIDGE)})
    monkeypatch.setitem(REGISTRY, "lore", other)
    changed = {name for name, mark in marks().items() if mark != first[name]}
    assert changed == {name for name in first if "/lore/" in name}


def test_a_run_stands_on_its_own_method_and_its_own_data(monkeypatch):
    monkeypatch.chdir(ROOT)
    tests = {"counts": (1,), "repeats": 1, "shots": 1, "seeds": (0,)}
    found = sweep.files(Run("train", "per_user", None, Benchmark("train", None, **tests)))
    assert {"data/train_data.csv.gz", "lore_core/methods/per_user.py"} <= {*found}
    assert {"requirements.lock", "lore_core/evaluation/sweep_rows.py"} <= {*found}
    assert not {"lore_core/methods/pal.py", "data/alpaca_eval.safetensors"} & {*found}


def test_two_sweeps_do_not_work_in_one_folder(tmp_path):
    with sweep.alone(tmp_path / "runs"):
        with pytest.raises(OSError, match="another sweep is at work in .*wait until it has ended"):
            with sweep.alone(tmp_path / "runs"):
                pass
    with sweep.alone(tmp_path / "runs"):
        pass


def test_a_damaged_result_counts_as_missing(tmp_path):
    told = {"work": str(tmp_path), "runs": {"a/seed_0": {"run": {}, "made_from": "x"}}}
    path = tmp_path / "a" / "seed_0.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"half")
    assert sweep.done(told) == {} and not path.exists()


@pytest.mark.parametrize("name", ["local", "slurm", "kubernetes"])
def test_a_profile_says_where_jobs_run(name):
    profile = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
    assert profile.get("executor", "local") == name
    assert profile.get("cores") or profile.get("jobs")
