"""Many users' weights from Parquet: those of `fit_weights`, each user once, whoever is killed."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from worlds import normal, toy_responses

from lore_core import LowRankReward, Preferences, fit_weights
from lore_core.datasets import saved
from lore_core.methods.lore import LowRank
from lore_core.people import Scorer
from lore_core.recipes import FEW_SHOT, FewShot

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

from lore_core.adapt import engines, inputs, manifest, one, shared, users  # noqa: E402 - they need pyarrow
from lore_core.adapt.__main__ import main  # noqa: E402
from lore_core.adapt.chunks import chunks  # noqa: E402
from lore_core.adapt.users import adapt_users  # noqa: E402

HERE = toy_responses()  # 60 responses, d = 6
REWARD = LowRankReward(normal(6, 3, seed=5), normal(20, 3, seed=6))
NEAR = 5e-6  # the solver ends where another step gains less than 1e-12 of the loss
PATIENT = 60  # seconds until a test gives up on a process


def crowd(n_users=50, seed=0):
    """Pairs of users with one to nine each, in the order of the users."""
    draw = np.random.default_rng(seed)
    user = np.repeat(np.arange(n_users), draw.integers(1, 10, n_users))
    chosen = draw.integers(0, len(HERE), len(user))
    rejected = (chosen + draw.integers(1, len(HERE), len(user))) % len(HERE)
    return Preferences(user, chosen, rejected, n_users)


def table(some, ids):
    """Pairs as an Arrow table, whose users have the given ids."""
    columns = {name: getattr(some, name).numpy() for name in ("chosen", "rejected")}
    return arrow.table({"user": arrow.array(ids).take(some.user.numpy()), **columns})


def write(folder, some, ids, n_files=4, group=13):
    """Pairs in several files, cut between users; row groups end anywhere."""
    folder.mkdir(exist_ok=True)
    for part, ours in enumerate(np.array_split(np.arange(some.n_users), n_files)):
        mine = torch.isin(some.user, torch.from_numpy(ours))
        parquet.write_table(table(some.select(mine), ids), folder / f"{part}.parquet", group)
    return folder


def answers(folder):
    """{user: weights} of a folder; a user who stands there twice is an error."""
    rows = parquet.read_table(folder)
    names = rows.column("user").to_pylist()
    assert len(set(names)) == len(names)
    weights = np.stack([rows.column(f"w_{k}").to_numpy() for k in (1, 2, 3)], 1)
    return dict(zip(names, weights, strict=True))


def in_memory(some, ids, recipe=FEW_SHOT):
    """The same by `fit_weights`."""
    found = fit_weights(REWARD, HERE, some, recipe).numpy()
    return dict(zip(list(ids), found, strict=True))


def same(one, other, tolerance=NEAR):
    assert one.keys() == other.keys()
    for user, weights in one.items():
        np.testing.assert_allclose(weights, other[user], rtol=0, atol=tolerance)


NUMBERS = [7 * u - 2**40 for u in range(50)]
STRINGS = [f"{u:03d} ß" for u in range(50)]


@pytest.mark.parametrize("ids", [NUMBERS, STRINGS], ids=["numbers", "strings"])
@pytest.mark.parametrize("cells", [1, 200, 2**24], ids=["one user", "a few", "all"])
def test_weights_are_those_of_fit_weights_however_users_are_cut(ids, cells, tmp_path, monkeypatch):
    monkeypatch.setattr(one, "CELLS", cells)
    some = crowd()
    done = adapt_users(REWARD, HERE, write(tmp_path / "p", some, ids), tmp_path / "out")
    assert (done.users, done.fresh, done.partitions) == (50, 50, 4)
    same(answers(done.weights), in_memory(some, ids))
    assert parquet.read_schema(done.weights / "0.parquet").names == ["user", "w_1", "w_2", "w_3"]


@pytest.mark.parametrize(
    "recipe", [FewShot(centre="crowd"), FewShot(temperature=3.0), FewShot(prior=0.3)]
)
def test_the_recipe_is_followed(recipe, tmp_path):
    some = crowd()
    done = adapt_users(REWARD, HERE, write(tmp_path / "p", some, NUMBERS), tmp_path / "o", recipe)
    same(answers(done.weights), in_memory(some, NUMBERS, recipe))


def test_single_precision_stays_single_and_is_as_near_as_it_can_be(tmp_path):
    some, here = crowd(), replace(HERE, embeddings=HERE.embeddings.float())
    reward = LowRankReward(REWARD.basis.float(), REWARD.logits.float())
    done = adapt_users(reward, here, write(tmp_path / "p", some, NUMBERS), tmp_path / "out")
    assert parquet.read_schema(done.weights / "0.parquet").field("w_1").type == arrow.float32()
    same(answers(done.weights), in_memory(some, NUMBERS), 1e-4)


def test_what_all_embeddings_share_takes_no_digits(tmp_path):
    far = replace(HERE, embeddings=(HERE.embeddings + 1000.0).float())
    reward = LowRankReward(REWARD.basis.float(), REWARD.logits.float())
    some = crowd()
    done = adapt_users(reward, far, write(tmp_path / "p", some, NUMBERS), tmp_path / "out")
    rounded = fit_weights(reward, far, some).numpy()
    same(answers(done.weights), dict(zip(NUMBERS, rounded, strict=True)), 1e-5)


def test_scores_are_written_in_blocks_as_at_once(tmp_path, monkeypatch):
    for name, cells in (("blocks", 6 * 7), ("once", 2**24)):
        monkeypatch.setattr(manifest, "CELLS", cells)
        shared.write_scores(tmp_path / name, REWARD, HERE.embeddings)
    one, other = (np.load(tmp_path / name) for name in ("blocks", "once"))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-14)
    expected = (HERE.embeddings - HERE.embeddings.mean(0)) @ REWARD.basis
    np.testing.assert_allclose(one, expected.numpy(), rtol=0, atol=1e-12)
    assert manifest.embeddings_sum(HERE.embeddings) != manifest.embeddings_sum(
        HERE.embeddings.clone().index_fill_(0, torch.tensor([59]), 0.0)
    )


def test_the_order_of_the_files_changes_nothing(tmp_path):
    some = crowd()
    there = write(tmp_path / "there", some, NUMBERS)
    back = write(tmp_path / "back", some, NUMBERS)
    for path in list(back.iterdir()):
        path.rename(path.with_name(f"{9 - int(path.stem)}.parquet"))
    one, other = (adapt_users(REWARD, HERE, f, tmp_path / f"{f.name}.out") for f in (there, back))
    same(answers(one.weights), answers(other.weights), 0)


def test_an_empty_file_among_others_gives_an_empty_file(tmp_path):
    some = crowd(6)
    folder = write(tmp_path / "p", some, NUMBERS)
    parquet.write_table(table(some, NUMBERS).slice(0, 0), folder / "none.parquet")
    done = adapt_users(REWARD, HERE, folder, tmp_path / "out")
    assert parquet.read_metadata(done.weights / "none.parquet").num_rows == 0
    assert (done.users, done.partitions) == (6, 5)


def test_a_user_with_more_pairs_than_a_chunk_stays_whole(tmp_path):
    few = crowd(4)
    some = few.select(torch.arange(len(few)).repeat(30)).in_order()
    parquet.write_table(table(some, NUMBERS), tmp_path / "p.parquet", 10)
    found = list(chunks(tmp_path / "p.parquet", 7))
    assert [chunk.users.to_pylist() for chunk in found] == [[user] for user in NUMBERS[:4]]
    assert [len(chunk.pairs) for chunk in found] == some.counts.tolist()


def test_what_lies_there_is_left_alone(tmp_path):
    folder = write(tmp_path / "p", crowd(), NUMBERS)
    first = adapt_users(REWARD, HERE, folder, tmp_path / "out")
    (first.weights / "2.parquet").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in first.weights.iterdir()}
    again = adapt_users(REWARD, HERE, folder, tmp_path / "out")
    after = {path.name: path.stat().st_mtime_ns for path in again.weights.iterdir()}
    assert before.items() <= after.items() and after.keys() - before.keys() == {"2.parquet"}
    assert again.users == 50 and 0 < again.fresh < 50


def saved_world(tmp_path):
    """The files that the command line names."""
    REWARD.save(tmp_path / "reward.safetensors")
    saved.write(tmp_path / "here.safetensors", HERE)
    files = {"reward": "reward.safetensors", "responses": "here.safetensors", "pairs": "p"}
    words = [word for name, file in files.items() for word in (f"--{name}", str(tmp_path / file))]
    return [*words, "--out", str(tmp_path / "out")]


def started(words):
    """The command line in a process of its own."""
    environment = os.environ | {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    command = [sys.executable, "-m", "lore_core.adapt", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, start_new_session=True, stderr=pipe)


def until(condition):
    """Wait for something, or fail."""
    end = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    stats = [s for s in map(stat_of, Path("/proc").glob("[0-9]*/stat")) if s]
    return any(int(s[2]) == group and s[0] != "Z" for s in stats)


def stat_of(path):
    """State, parent, group and so on of a process; none if it has just ended."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_in_the_middle_it_resumes_and_each_user_is_there_once(workers, tmp_path):
    """SIGKILL of the process; its workers end by themselves. One process then does the rest."""
    some, ids = crowd(3000), list(range(3000))
    write(tmp_path / "p", some, ids, n_files=60, group=100)
    words, weights = saved_world(tmp_path), tmp_path / "out" / "weights"
    running = started([*words, "--workers", str(workers)])
    try:
        until(lambda: len(list(weights.glob("*.parquet"))) >= 3 or running.poll() is not None)
    finally:
        running.kill()
    assert b"partition/s" not in running.communicate(timeout=PATIENT)[1], "TQDM_DISABLE is 1"
    until(lambda: not group_lives(running.pid))
    before = {path: path.stat().st_mtime_ns for path in weights.glob("*.parquet")}
    assert 3 <= len(before) < 60
    (weights / ".7.parquet.elsewhere.1.part").write_bytes(b"what a killed worker left")
    main([*words, "--quiet"])
    same(answers(weights), in_memory(some, ids))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(weights.iterdir())) == 60


def test_a_dead_worker_is_a_clear_error(monkeypatch):
    with pytest.raises(RuntimeError, match="a worker process was killed.*goes on from here"):
        list(engines.engine([partial(os._exit, 9)], workers=2))


def test_a_cluster_gives_the_same(tmp_path):
    dask = pytest.importorskip("distributed")
    some = crowd()
    folder = write(tmp_path / "p", some, NUMBERS)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with dask.LocalCluster(processes=False, protocol="tcp", **options) as there:
        address = there.scheduler_address
        done = adapt_users(REWARD, HERE, folder, tmp_path / "out", cluster=address)
        ruined(folder, RUINED["out of order"][0])
        with pytest.raises(ValueError, match="0.parquet is not sorted by user"):
            adapt_users(REWARD, HERE, folder, tmp_path / "other", cluster=address)
    same(answers(done.weights), in_memory(some, NUMBERS))


def test_workers_that_write_elsewhere_are_noticed(tmp_path, monkeypatch):
    folder = write(tmp_path / "p", crowd(), NUMBERS)
    elsewhere = [(f"{part}.parquet", 9) for part in range(4)]
    monkeypatch.setattr(users, "engine", lambda *_: iter(elsewhere))
    with pytest.raises(OSError, match="4 files such as .* were written and are not here"):
        adapt_users(REWARD, HERE, folder, tmp_path / "out")


def test_no_such_cluster_is_said(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(engines, "PATIENCE", 0.2)
    folder = write(tmp_path / "p", crowd(), NUMBERS)
    for address in ("tcp://127.0.0.1:1", "nowhere"):
        with pytest.raises(OSError, match="no Dask scheduler answers"):
            adapt_users(REWARD, HERE, folder, tmp_path / "out", cluster=address)


def test_a_cluster_without_dask_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    folder = write(tmp_path / "p", crowd(), NUMBERS)
    with pytest.raises(ImportError, match=r"lore-course\[scale\]"):
        adapt_users(REWARD, HERE, folder, tmp_path / "out", cluster="tcp://127.0.0.1:1")


def ruined(folder, change):
    """The first file with its table changed."""
    path = folder / "0.parquet"
    parquet.write_table(change(parquet.read_table(path)), path)


def replaced(name, make):
    """A change of one column."""
    return lambda rows: rows.set_column(
        rows.column_names.index(name), name, arrow.array(make(rows.column(name).to_pylist()))
    )


RUINED = {
    "no column": (lambda rows: rows.drop_columns(["chosen"]), "0.parquet lacks chosen; it has"),
    "a gap": (
        replaced("chosen", lambda rows: [None, *rows[1:]]),
        "0.parquet has an empty chosen",
    ),
    "nobody": (replaced("user", lambda ids: [*ids[:5], None, *ids[6:]]), "has an empty user"),
    "nobody first": (replaced("user", lambda ids: [None, *ids[1:]]), "has an empty user"),
    "NaN": (
        replaced("rejected", lambda rows: [float("nan"), *map(float, rows[1:])]),
        "rejected of 0.parquet has type double, expected whole numbers",
    ),
    "users of floats": (
        replaced("user", lambda ids: [float(u) for u in ids]),
        "user of 0.parquet has type double, expected whole numbers or strings",
    ),
    "past the last response": (
        replaced("chosen", lambda rows: [60, *rows[1:]]),
        "0.parquet: a pair of user -1099511627776 points to response 60, but there are 60",
    ),
    "a negative row": (replaced("chosen", lambda rows: [-1, *rows[1:]]), "chosen contains -1"),
    "a pair with itself": (
        lambda rows: rows.set_column(1, "chosen", rows.column("rejected")),
        "0.parquet: a pair has the same row",
    ),
    "out of order": (
        replaced("user", lambda ids: [ids[0], ids[-1], *ids[2:]]),
        "0.parquet is not sorted by user: -.* comes after -",
    ),
    "a user in two files": (
        replaced("user", lambda ids: [*ids[:-1], NUMBERS[13]]),
        "the pairs of user -1099511627685 lie in two partitions, 0.parquet .* and 1.parquet",
    ),
    "overlapping files": (
        replaced("user", lambda ids: [*ids[:-1], NUMBERS[14] + 1]),
        "0.parquet .* and 1.parquet .* overlap; sort all pairs",
    ),
    "numbers and strings": (
        replaced("user", lambda ids: list(map(str, ids))),
        "name users by numbers and by strings",
    ),
}


@pytest.mark.parametrize(("change", "message"), RUINED.values(), ids=RUINED)
def test_bad_pairs_are_refused_and_their_file_is_named(change, message, tmp_path):
    folder = write(tmp_path / "p", crowd(), NUMBERS)
    ruined(folder, change)
    with pytest.raises(ValueError, match=message):
        adapt_users(REWARD, HERE, folder, tmp_path / "out")
    assert not (tmp_path / "out" / "weights" / "0.parquet").exists()


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder; give one with files of pairs"):
        adapt_users(REWARD, HERE, tmp_path / "p", tmp_path / "out")
    (tmp_path / "p").mkdir()
    with pytest.raises(ValueError, match="holds no .*parquet"):
        adapt_users(REWARD, HERE, tmp_path / "p", tmp_path / "out")
    parquet.write_table(table(crowd(), NUMBERS).slice(0, 0), tmp_path / "p" / "0.parquet")
    with pytest.raises(ValueError, match="the 1 files of .* hold no pairs"):
        adapt_users(REWARD, HERE, tmp_path / "p", tmp_path / "out")
    (tmp_path / "p" / "0.parquet").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="0.parquet is no Parquet file"):
        adapt_users(REWARD, HERE, tmp_path / "p", tmp_path / "out")


OTHERS = {
    "reward": ({"reward": LowRankReward(REWARD.basis * 2, REWARD.logits)}, "another reward"),
    "seen users": ({"reward": LowRankReward(REWARD.basis, REWARD.logits * 2)}, "another reward"),
    "responses": ({"responses": toy_responses(seed=1)}, "another responses"),
    "recipe": ({"recipe": FewShot(prior=1.0)}, r"another recipe: prior 2\.0, here 1\.0"),
}


@pytest.mark.parametrize(("given", "message"), OTHERS.values(), ids=OTHERS)
def test_a_folder_belongs_to_one_run(given, message, tmp_path):
    given = {"reward": REWARD, "responses": HERE, "pairs": tmp_path / "p"} | given
    adapt_users(REWARD, HERE, write(tmp_path / "p", crowd(), NUMBERS), tmp_path / "out")
    with pytest.raises(ValueError, match=f"belongs to {message}.*give another folder"):
        adapt_users(out=tmp_path / "out", **given)


def test_a_folder_belongs_to_its_pairs(tmp_path):
    folder = write(tmp_path / "p", crowd(), NUMBERS)
    adapt_users(REWARD, HERE, folder, tmp_path / "out")
    write(folder, crowd(seed=1), NUMBERS)
    with pytest.raises(ValueError, match="other partitions: 0.parquet was added, removed or"):
        adapt_users(REWARD, HERE, folder, tmp_path / "out")


def test_a_folder_with_something_else_is_refused(tmp_path):
    folder = write(tmp_path / "p", crowd(), NUMBERS)
    with pytest.raises(ValueError, match="holds something else already"):
        adapt_users(REWARD, HERE, folder, folder)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="manifest.json is damaged"):
        adapt_users(REWARD, HERE, folder, tmp_path / "out")


def test_the_command_takes_embeddings_and_options_and_says_what_it_did(tmp_path, capsys):
    some = crowd()
    write(tmp_path / "p", some, NUMBERS)
    words = saved_world(tmp_path)
    np.save(tmp_path / "here.npy", HERE.embeddings.numpy())
    words[words.index("--responses") + 1] = str(tmp_path / "here.npy")
    main([*words, "--quiet", "--centre", "crowd", "--prior", "0.5", "--temperature", "2"])
    told = capsys.readouterr()
    assert told.out.startswith("50 users in 4 files, 50 of them new") and not told.err
    recipe = FewShot(centre="crowd", prior=0.5, temperature=2.0)
    same(answers(tmp_path / "out" / "weights"), in_memory(some, NUMBERS, recipe))


def test_an_error_of_the_command_is_one_line(tmp_path):
    with pytest.raises(SystemExit, match="^adapt: --pairs, --out missing"):
        main(["--reward", "a", "--responses", "b"])
    words = saved_world(tmp_path)
    (tmp_path / "here.npy").write_bytes(b"nothing")
    words[words.index("--responses") + 1] = str(tmp_path / "here.npy")
    with pytest.raises(SystemExit, match="^adapt: .*here.npy is no table of embeddings"):
        main(words)


def test_the_model_of_lore_fit_brings_its_reward_and_its_recipe(tmp_path):
    recipe = FewShot(prior=0.7, centre="crowd")
    model, names = LowRank(REWARD, recipe, trained=1), tuple(map(str, range(20)))
    Scorer(model, names, REWARD.weights).save(tmp_path / "model.safetensors")
    reward, found = inputs.reward(tmp_path / "model.safetensors")
    assert torch.equal(reward.basis, REWARD.basis) and torch.equal(reward.logits, REWARD.logits)
    assert found == recipe
    Scorer(model, names, REWARD.weights, scale=normal(2, 6)).save(tmp_path / "scaled.safetensors")
    with pytest.raises(ValueError, match="scales features before it scores them; save its reward"):
        inputs.reward(tmp_path / "scaled.safetensors")
