"""Pairs on disk: the answer of pairs in memory, in bounded memory, whatever is killed."""

import json
import os
import signal
import threading
import time
from dataclasses import fields

import numpy as np
import processes
import pyarrow
import pytest
import torch
from pyarrow import parquet
from safetensors.torch import save_file
from worlds import normal, random, triples

from lore_core import Preferences, Recipe, Responses, accuracy, fit_basis, scale, sorted_pairs
from lore_core.distributed import inputs, stored
from lore_core.distributed.sharding import of_shard
from lore_core.distributed.stored import stored_pairs
from lore_core.fit import Fit
from lore_core.methods import FreeWeights
from lore_core.prepared import PreparedPairs
from lore_core.reward import LowRankReward
from lore_core.scale import pair_scale
from lore_core.sorted_pairs import SortedPairs

M, D, K = 40, 6, 3
COUNTS = [0, 30, 1, 9, 0, 25, 4, 90, 2, 17, 8, 0, 33, 0]  # ragged; some users have no pairs
N = len(COUNTS)
SAME = 1e-6  # float64: sums over users in another order, then tens of L-BFGS iterations
IDS = "user", "chosen", "rejected"


def asked(counts=COUNTS, seed=1, rows=M):
    """Pairs in the order of users, of the first so many responses."""
    user = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    one = torch.randint(rows, (len(user),), generator=random(seed))
    other = (one + 1 + torch.randint(rows - 1, (len(user),), generator=random(seed + 1))) % rows
    return Preferences(user, one, other, len(counts))


def saved(path, pairs):
    save_file({name: getattr(pairs, name).contiguous() for name in IDS}, path)
    return path


def in_parquet(folder, pairs, cuts=(70, 71, 150)):
    """Pairs in several files, whose ends are no ends of users."""
    folder.mkdir()
    table = pyarrow.table({name: getattr(pairs, name).numpy() for name in IDS})
    for number, begin in enumerate((0, *cuts)):
        end = (*cuts, len(table))[number]
        parquet.write_table(table[begin:end], folder / f"{number}.parquet", row_group_size=13)
    return folder


@pytest.fixture
def small(monkeypatch):
    """Blocks of a few users."""
    monkeypatch.setattr(sorted_pairs, "PAIRS", 16)


RESPONSES = Responses(normal(M, D, seed=9), torch.zeros(M).long())
TRAIN, HELD_OUT = asked(), asked([3] * N, 5)


# --- the answer of pairs in memory ---------------------------------------------------------------


def assert_same_blocks(found: SortedPairs, expected: SortedPairs):
    assert len(found.blocks) == len(expected.blocks)
    for here, there in zip(found.blocks, expected.blocks, strict=True):
        for name in (field.name for field in fields(here)):
            one, other = getattr(here, name), getattr(there, name)
            assert one == other if name == "first" else torch.equal(one, other), name
            assert name == "first" or one.dtype == other.dtype


@pytest.mark.parametrize("source", ["safetensors", "parquet"])
def test_blocks_are_those_of_pairs_in_memory(source, small, tmp_path):
    make = in_parquet if source == "parquet" else saved
    found = stored_pairs(make(tmp_path / f"pairs.{source}", TRAIN), tmp_path / "folder", N)
    assert len(found.pairs.blocks) > 3
    assert_same_blocks(found.pairs, SortedPairs.of(TRAIN, M))
    assert torch.equal(found.counts, TRAIN.counts) and len(found) == len(TRAIN)


def fitted(train, held_out, recipe) -> Fit:
    return fit_basis(RESPONSES, train, K, recipe, validation=held_out, device="cpu")


@pytest.mark.parametrize(
    ("optimizer", "rows"),
    [("lbfgs", M), ("alternating", 11)],  # all responses are compared, or few
)
def test_the_fit_is_the_same_bit_for_bit(optimizer, rows, small, tmp_path):
    recipe = Recipe(optimizer=optimizer, steps=2, ridge_basis=(1e-3, 1e-1), average="user")
    train, held_out = asked(rows=rows), asked([3] * N, 5, rows)
    expected = fitted(train, held_out, recipe)
    on_disk = (
        stored_pairs(saved(tmp_path / f"{name}.safetensors", pairs), tmp_path / name, N)
        for name, pairs in (("train", train), ("held_out", held_out))
    )
    found = fitted(*on_disk, recipe)
    assert found.losses == expected.losses and found.validation == expected.validation
    assert len(found.validation) > 1 and found.ridge_basis == expected.ridge_basis
    assert torch.equal(found.reward.basis, expected.reward.basis)
    assert torch.equal(found.reward.logits, expected.reward.logits)


def on_disk(pairs, folder, n_users=None):
    folder.mkdir(exist_ok=True)
    return stored_pairs(saved(folder / "pairs.safetensors", pairs), folder / "sorted", n_users)


def test_the_unit_of_the_embeddings_is_the_same(small, tmp_path, monkeypatch):
    found = on_disk(TRAIN, tmp_path, N)
    for size in (7, 100, 10_000):
        monkeypatch.setattr(scale, "SAMPLE", size)
        assert pair_scale(RESPONSES, found) == pair_scale(RESPONSES, TRAIN)
    monkeypatch.setattr(scale, "SAMPLE", 3)
    looked = torch.cat(TRAIN.rows_at(scale.sample(len(TRAIN), 3)))
    row = next(row for row in range(M) if row not in looked)
    alike = Responses(torch.ones(M, D).double(), RESPONSES.prompt)
    alike.embeddings[row] = 0  # so that these three pairs say nothing
    n_named = int(((TRAIN.chosen == row) | (TRAIN.rejected == row)).sum())
    for pairs in (found, TRAIN):
        unit = (n_named * D / len(TRAIN)) ** 0.5
        assert pair_scale(alike, pairs) == pytest.approx(unit, rel=1e-12)


@pytest.mark.parametrize("users", [(0, N), (1, 3), (5, 8), (7, 8), (4, 5), (9, N)])
def test_some_users_have_the_same_pairs_as_in_memory(users, small, tmp_path):
    found = on_disk(TRAIN, tmp_path, N).of_users(slice(*users))
    expected = of_shard(TRAIN, slice(*users))
    pairs = [
        (user + block.first, *both)
        for block in found.pairs.blocks
        for user, *both in zip(*(getattr(block, name).tolist() for name in IDS), strict=True)
    ]
    assert pairs == triples(expected)
    assert torch.equal(found.counts, expected.counts) and found.n_users == expected.n_users
    covered = [user for block in found.pairs.blocks for user in range(N)[block.users]]
    assert covered == list(range(expected.n_users))


def test_it_is_not_taken_for_pairs_in_memory(tmp_path):
    found = on_disk(TRAIN, tmp_path, N)
    with pytest.raises(ValueError, match="preferences is a PreparedPairs, expected .*Preferences"):
        FreeWeights(2, 1e-3, 1e-3).fit(RESPONSES, found)
    reward = LowRankReward(normal(D, K), normal(N, K))
    with pytest.raises(ValueError, match="preferences is a PreparedPairs, expected .*Preferences"):
        accuracy(reward, RESPONSES, found)


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with embeddings, pairs, validation pairs, and what is sorted of them."""
    folder = tmp_path_factory.mktemp("world")
    np.save(folder / "e.npy", RESPONSES.embeddings.numpy())
    in_parquet(folder / "pairs", TRAIN)
    saved(folder / "validation.safetensors", HELD_OUT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_pairs, "PAIRS", 16)
        stored.store(folder / "pairs", folder / "stream/pairs", N)
        stored.store(folder / "validation.safetensors", folder / "stream/validation", N)
    return folder


def run(world, folder, n, *more):
    words = (
        *("--responses", world / "e.npy", "--pairs", world / "pairs", "--users", N),
        *("--validation", world / "validation.safetensors", "--rank", K, "--steps", 2),
        *("--ridge-basis", 1e-3, 1e-1, "--device", "cpu", "--out", folder / "out", *more),
    )
    ended = processes.ended(processes.start(n, folder / "said", processes.command, words))
    assert ended == [0] * n, processes.said(folder / "said", n)
    reward = LowRankReward.load(folder / "out/reward.safetensors")
    return reward, json.loads((folder / "out/fit.json").read_text())


def test_on_several_processes_each_maps_its_own_users(world, tmp_path):
    pairs = inputs.preferences(world / "pairs", N)
    expected = fitted(pairs, HELD_OUT, Recipe(steps=2, ridge_basis=(1e-3, 1e-1)))
    reward, about = run(world, tmp_path, 2, "--stream", world / "stream")
    assert about["losses"] == pytest.approx(expected.losses, rel=SAME)
    assert about["validation"] == pytest.approx(expected.validation, rel=SAME)
    torch.testing.assert_close(reward.weights, expected.reward.weights, rtol=SAME, atol=SAME)


def test_in_one_process_it_makes_the_folder_and_fits_bit_for_bit_as_without(world, tmp_path):
    reward, about = run(world, tmp_path / "disk", 1, "--stream", tmp_path / "stream")
    assert (tmp_path / "stream/validation/index.safetensors").is_file()
    expected, before = run(world, tmp_path / "memory", 1)
    assert about["losses"] == before["losses"] and about["validation"] == before["validation"]
    assert torch.equal(reward.basis, expected.basis) and torch.equal(reward.logits, expected.logits)


# --- a folder, whole or not at all ---------------------------------------------------------------


def make_slowly(source, folder):
    """Make a folder, a block in a twentieth of a second."""
    sorted_pairs.PAIRS = 16
    write = stored.checksums.write

    def slow(*arguments):
        write(*arguments)
        time.sleep(0.05)

    stored.checksums.write = slow
    stored.store(source, folder, N)


def test_killed_it_is_refused_as_unfinished_and_the_same_call_begins_anew(small, tmp_path):
    source, folder = saved(tmp_path / "pairs.safetensors", TRAIN), tmp_path / "folder"
    (making,) = processes.start(1, tmp_path / "said", make_slowly, source, folder)
    while not (folder / "block-2.safetensors").is_file():
        time.sleep(0.005)
        assert making.exitcode is None
    os.kill(making.pid, signal.SIGKILL)
    making.join()
    with pytest.raises(FileNotFoundError, match="folder is unfinished"):
        stored.opened(folder)
    left = folder / "block-99.safetensors", folder / ".block-3.safetensors.here.1.part"
    for path in left:
        path.write_bytes(b"of another size of blocks")
    assert_same_blocks(stored_pairs(source, folder, N).pairs, SortedPairs.of(TRAIN, M))
    assert not any(path.exists() for path in left)


def test_what_is_there_is_not_made_again(small, tmp_path):
    found = on_disk(TRAIN, tmp_path, N)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "sorted").glob("*")}
    again = stored_pairs(tmp_path / "pairs.safetensors", tmp_path / "sorted", N)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert_same_blocks(found.pairs, again.pairs)


def other_pairs(folder):
    saved(folder / "pairs.safetensors", HELD_OUT)


def other_files(folder):
    (folder / "sorted/manifest.json").unlink()


def damage(folder):
    path = folder / "sorted/block-1.safetensors"
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.unlink()  # what is mapped keeps its pages
    path.write_bytes(content)


def lose(folder):
    (folder / "sorted/block-1.safetensors").unlink()


def shorten(folder):
    path = folder / "sorted/index.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


WRONG = {
    "other pairs": (other_pairs, "sorted belongs to pairs .*; give another folder, or go on"),
    "other files": (other_files, "sorted holds something else already; give another folder"),
    "a damaged block": (damage, "block-1.safetensors is missing or damaged; remove"),
    "a lost block": (lose, "block-1.safetensors is missing or damaged; remove"),
    "half an index": (shorten, "is not a saved sorted pairs"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_a_folder_that_is_not_its_pairs_is_refused(change, message, small, tmp_path):
    on_disk(TRAIN, tmp_path, N)
    change(tmp_path)
    with pytest.raises(ValueError, match=message):
        stored_pairs(tmp_path / "pairs.safetensors", tmp_path / "sorted", N)


def test_pairs_out_of_order_are_refused_wherever_they_stand(small, tmp_path):
    backwards = TRAIN.select(torch.arange(len(TRAIN)).flip(0))
    with pytest.raises(ValueError, match="not sorted by user: 10 comes after 12; sort it"):
        on_disk(backwards, tmp_path / "within")
    assert len(on_disk(TRAIN, tmp_path / "within")) == len(TRAIN)  # the file was sorted meanwhile
    late = TRAIN.select(torch.tensor([*range(15), 200, *range(15, 40)]))  # as a chunk ends
    with pytest.raises(ValueError, match="not sorted by user: 1 comes after 12; sort it"):
        on_disk(late, tmp_path / "between")


BAD = {
    "nowhere": (lambda p: stored_pairs(p / "none.parquet", p / "f"), "none.parquet does not exist"),
    "no file": (lambda p: stored_pairs(p, p / "f"), r"has no \*.parquet"),
    "too few users": (lambda p: on_disk(TRAIN, p, 5), "out of range for n_users = 5"),
    "nothing": (lambda p: stored.opened(p), "holds no sorted pairs"),
    "no pairs": (
        lambda p: fitted(on_disk(asked([0, 0]), p), None, Recipe()),
        "no pairs to learn from",
    ),
    "few responses": (
        lambda p: on_disk(TRAIN, p).check(Responses(normal(9, 2), torch.zeros(9).long())),
        r"points to response 39, but there are 9 \(rows 0 to 8\)",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(call, message, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        call(tmp_path)


def test_parquet_with_a_gap_is_refused(tmp_path):
    table = pyarrow.table({"user": [0, None], "chosen": [1, 2], "rejected": [0, 0]})
    parquet.write_table(table, tmp_path / "gap.parquet")
    with pytest.raises(ValueError, match="user has shape .* expected one dimension of whole"):
        stored_pairs(tmp_path / "gap.parquet", tmp_path / "folder")


# --- bounded memory ------------------------------------------------------------------------------


def anonymous():
    """Bytes of this process that no file backs."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


def peak(folder, kept):
    """Fit, and write how much more memory that took than the process had before."""
    sorted_pairs.PAIRS = 2**14
    responses, recipe = inputs.responses(folder / "e.npy"), Recipe("alternating", steps=1)
    fit_basis(responses, asked(rows=64), 2, recipe)  # what every fit needs once
    before, most = anonymous(), [0]

    def look():
        while True:
            most[0] = max(most[0], anonymous())
            time.sleep(0.002)

    threading.Thread(target=look, daemon=True).start()
    source = folder / "pairs.safetensors"
    found = stored_pairs(source, folder / "sorted") if kept else inputs.preferences(source)
    fit_basis(responses, found, 2, recipe)
    (folder / f"peak-{kept}").write_text(str(most[0] - before))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_pairs(tmp_path):
    pairs = 1_000_000
    user = torch.arange(2000).repeat_interleave(pairs // 2000)
    one = torch.randint(64, (pairs,), generator=random(0))
    two = (one + 1 + torch.randint(63, (pairs,), generator=random(1))) % 64
    save_file({"user": user, "chosen": one, "rejected": two}, tmp_path / "pairs.safetensors")
    np.save(tmp_path / "e.npy", normal(64, 4).numpy())
    for kept in (True, False):
        running = processes.start(1, tmp_path / "said", peak, tmp_path, kept)
        assert processes.ended(running) == [0], processes.said(tmp_path / "said", 1)
    disk, memory = (int((tmp_path / f"peak-{kept}").read_text()) for kept in (True, False))
    assert memory > 28 * pairs  # the blocks
    assert disk < memory / 4, (disk, memory)


def test_mapped_blocks_are_pages_of_their_files(small, tmp_path):
    found: PreparedPairs = on_disk(TRAIN, tmp_path, N)
    with open("/proc/self/maps") as maps:
        said = maps.read()
    assert all(f"{tmp_path}/sorted/block-{k}.safetensors" in said for k in range(4))
    assert len(found) == len(TRAIN)
