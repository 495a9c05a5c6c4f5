"""One fit on several processes: the answer of one, whatever is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import processes
import pyarrow
import pytest
import torch
from pyarrow import parquet
from safetensors.torch import save_file
from worlds import normal, random

from lore_core import LowRankReward, Preferences, Recipe, Responses, fit_basis
from lore_core.distributed import checkpoints
from lore_core.distributed.fit import fit_together
from lore_core.distributed.inputs import preferences as read_pairs
from lore_core.distributed.inputs import responses as read_responses
from lore_core.distributed.objective import SharedObjective, on_rows
from lore_core.distributed.processes import Processes, started
from lore_core.distributed.sharding import of_shard, shards
from lore_core.distributed.trees import put_together, taken_apart
from lore_core.distributed.vectors import vector_type
from lore_core.objective import Objective
from lore_core.recipes import PAPER
from lore_core.tools import progress

SAME = 1e-6  # float64: sums over users in another order, then tens of L-BFGS iterations
N, M, D, K = 12, 40, 6, 3
COUNTS = [30, 1, 9, 0, 25, 4, 60, 2, 17, 8, 0, 33]  # ragged; two users have no pairs
LONG = ("--steps", 8, "--tolerance", 0, "--ridge-basis", 1e-4, "--checkpoint-steps", 1)


def ragged(counts, seed):
    """Pairs of planted users, with noise."""
    generator = random(seed)
    user = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    order = torch.randperm(len(user), generator=generator)
    one = torch.randint(M, (len(user),), generator=generator)
    other = (one + 1 + torch.randint(M - 1, (len(user),), generator=generator)) % M
    scores = normal(M, D, seed=9) @ normal(D, N, seed=8)
    gaps = scores[one, user] - scores[other, user] + normal(len(user), seed=seed)
    won = gaps > 0
    columns = user, torch.where(won, one, other), torch.where(won, other, one)
    return Preferences(*(column[order] for column in columns), N)


def saved(path, pairs):
    save_file(
        {name: getattr(pairs, name).contiguous() for name in ("user", "chosen", "rejected")}, path
    )
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with embeddings, pairs, and validation pairs."""
    folder = tmp_path_factory.mktemp("world")
    np.save(folder / "e.npy", normal(M, D, seed=9).numpy())
    saved(folder / "pairs.safetensors", ragged(COUNTS, 1))
    saved(folder / "validation.safetensors", ragged([3] * N, 2))
    return folder


def words(world, out, *more, rank=K):
    """The command's words."""
    return (
        *("--responses", world / "e.npy", "--pairs", world / "pairs.safetensors", "--users", N),
        *("--rank", rank, "--out", out, "--device", "cpu", *more),
    )


def run(n, world, folder, *more):
    """The command on n processes: exit codes."""
    arguments = words(world, folder / "out", *more)
    return processes.ended(processes.start(n, folder / "said", processes.command, arguments))


def result(folder):
    """Reward and losses in a folder."""
    about = json.loads((folder / "out/fit.json").read_text())
    return LowRankReward.load(folder / "out/reward.safetensors"), about


def one_process(world, **options):
    """What `fit_basis` gives on the same files."""
    responses = read_responses(world / "e.npy")
    pairs = read_pairs(world / "pairs.safetensors", N)
    return responses, fit_basis(responses, pairs, K, device="cpu", **options)


def assert_same(folder, responses, fit):
    """Scores by every basis reward, weights and losses of a folder are those of a fit."""
    reward, about = result(folder)
    scores = [each.basis_scores(responses.embeddings) for each in (reward, fit.reward)]
    torch.testing.assert_close(*scores, rtol=SAME, atol=SAME)
    torch.testing.assert_close(reward.weights, fit.reward.weights, rtol=SAME, atol=SAME)
    assert about["losses"] == pytest.approx(fit.losses, rel=SAME)
    assert about["validation"] == pytest.approx(fit.validation, rel=SAME)
    assert about["ridge_basis"] == fit.ridge_basis


# --- the answer of one process -------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_answer_is_that_of_one_process(n, world, tmp_path):
    validation = read_pairs(world / "validation.safetensors", N)
    recipe = Recipe(steps=3, ridge_basis=(1e-4, 1e-2))
    responses, fit = one_process(world, recipe=recipe, validation=validation, seed=3)
    more = "--validation", world / "validation.safetensors", "--seed", 3, "--steps", 3
    more += "--ridge-basis", 1e-4, 1e-2
    assert run(n, world, tmp_path, *more) == [0] * n
    assert_same(tmp_path, responses, fit)


def test_adam_and_an_average_by_user_too(world, tmp_path):
    recipe = replace(PAPER, steps=20)
    responses, fit = one_process(world, recipe=recipe)
    assert run(2, world, tmp_path, "--recipe", "paper", "--steps", 20) == [0, 0]
    assert_same(tmp_path, responses, fit)


def objective_of(world, share):
    """An objective on the world's files, basis and logits: of all, or of one process."""
    responses = read_responses(world / "e.npy")
    pairs = read_pairs(world / "pairs.safetensors", N)
    recipe = Recipe(anchor=0.3, anchor_warmup=(0, 0), ridge_logits=0.1, average="user")
    cut = shards(pairs.counts, share.count)[share.rank]
    basis, logits = normal(D, K, seed=3), normal(N, K, seed=4)[cut]
    basis.requires_grad_(), logits.requires_grad_()
    arguments = responses, of_shard(pairs, cut), recipe, 2.0, normal(D, 1, seed=5)
    if share.count == 1:
        return Objective.on(*arguments), basis, logits
    return SharedObjective.of(*arguments, share), basis, logits


def write_gradient(world, folder):
    with started("cpu", 60) as (share, _):
        objective, basis, logits = objective_of(world, share)
        loss = objective(basis, logits, 0)
        by_basis, by_logits = torch.autograd.grad(loss, (basis, logits))
        with torch.no_grad():
            again = objective(basis, logits, 0)
        kept = {"loss": loss, "again": again, "by_basis": by_basis, "by_logits": by_logits}
        torch.save(
            {name: tensor.detach() for name, tensor in kept.items()}, folder / f"{share.rank}"
        )


def test_the_gradient_on_two_processes_is_that_of_one(world, tmp_path):
    assert processes.ended(processes.start(2, tmp_path, write_gradient, world, tmp_path)) == [0, 0]
    found = [torch.load(tmp_path / f"{rank}") for rank in range(2)]
    objective, basis, logits = objective_of(world, Processes())
    loss = objective(basis, logits, 0)
    by_basis, by_logits = torch.autograd.grad(loss, (basis, logits))
    for each in found:
        torch.testing.assert_close(each["loss"], loss.detach())
        torch.testing.assert_close(each["again"], loss.detach())
        torch.testing.assert_close(each["by_basis"], by_basis)
    assert torch.equal(found[0]["by_basis"], found[1]["by_basis"])  # bit for bit
    torch.testing.assert_close(torch.cat([each["by_logits"] for each in found]), by_logits)


class Lonely(Processes):
    """A process that sums nothing: what it adds to a sum can be seen."""

    def together(self, values, do, *arguments):
        return values


@pytest.mark.parametrize("rank", [0, 1])
def test_of_numbers_that_all_processes_have_the_first_process_counts_its_own(rank):
    kind = vector_type(2, Lonely(rank, 2))
    one, other = (torch.tensor(values).as_subclass(kind) for values in ([1.0, 2, 3], [5.0, 7, 11]))
    counted = slice(2 * rank, None)
    assert one.dot(other) == torch.tensor([5.0, 14, 33])[counted].sum()
    assert one.as_subclass(torch.Tensor).dot(other) == one.dot(other)
    assert (-one).abs().sum() == torch.tensor([1.0, 2, 3])[counted].sum()
    assert one.abs().max() == 3 and type(one.max()) is torch.Tensor
    assert type(one.mul(2).add_(other, alpha=3)) is kind


# --- who has which users -------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [COUNTS, [1] * 7, [0, 0, 0, 9], [9, 0, 0, 0], [0] * 5, [5]])
def test_shards_are_whole_users_in_order_and_about_equally_many_pairs(counts):
    counts = torch.tensor(counts)
    for n in range(1, len(counts) + 1):
        cut = shards(counts, n)
        assert [user for each in cut for user in range(each.start, each.stop)] == list(
            range(len(counts))
        )
        assert len(cut) == n and all(each.start < each.stop for each in cut)
        most = max(int(counts[each].sum()) for each in cut)
        assert most <= counts.sum() / n + counts.max()


def test_every_pair_is_in_the_shard_of_its_user():
    pairs = ragged(COUNTS, 1)
    cut = shards(pairs.counts, 3)
    parts = [of_shard(pairs, each) for each in cut]
    together = [
        (user + each.start, chosen)
        for each, part in zip(cut, parts, strict=True)
        for user, chosen in zip(part.user.tolist(), part.chosen.tolist(), strict=True)
    ]
    assert sorted(together) == sorted(zip(pairs.user.tolist(), pairs.chosen.tolist(), strict=True))


def test_rows_are_shared_where_most_are_compared_and_copied_where_few_are(world):
    responses = read_responses(world / "e.npy")
    pairs = read_pairs(world / "pairs.safetensors", N)
    few = pairs.select(torch.arange(3))
    assert on_rows(responses, pairs, Recipe(), 1.0).embeddings is responses.embeddings
    assert len(on_rows(responses, few, Recipe(), 1.0).embeddings) <= 6
    far = Responses(responses.embeddings + 1e6, responses.prompt)
    basis, logits = normal(D, K), normal(N, K, seed=1)
    near, away = (on_rows(each, pairs, Recipe(), 1.0) for each in (responses, far))
    assert away.embeddings is not far.embeddings
    torch.testing.assert_close(away.nll(basis, logits), near.nll(basis, logits), rtol=1e-7, atol=0)


def test_embeddings_are_read_in_place(world, tmp_path):
    path = tmp_path / "e.npy"
    path.write_bytes((world / "e.npy").read_bytes())
    rows = read_responses(path).embeddings
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(np.float64(77).tobytes())
    assert rows[-1, -1] == 77 or sys.platform != "linux"
    rows[0, 0] = 5.0  # nothing that is written to them reaches the file
    assert read_responses(path).embeddings[0, 0] != 5


def test_pairs_in_parquet_are_the_same_pairs(world, tmp_path):
    pairs = ragged(COUNTS, 1)
    columns = {name: getattr(pairs, name).numpy() for name in ("user", "chosen", "rejected")}
    table = pyarrow.table(columns)
    parquet.write_table(table[:70], tmp_path / "a.parquet")
    parquet.write_table(table[70:], tmp_path / "b.parquet")
    found = read_pairs(tmp_path)
    assert all(torch.equal(getattr(found, name), getattr(pairs, name)) for name in columns)
    assert found.n_users == N  # one more than the largest id
    assert len(read_pairs(tmp_path / "a.parquet")) == 70


# --- killed, and resumed -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    """A long run that nobody interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(2, world, folder, *LONG) == [0, 0]
    return folder


def wait_for_checkpoint(out, seconds=60):
    until = time.monotonic() + seconds
    while not list(out.glob("checkpoint/*/latest.json")):
        assert time.monotonic() < until, "no checkpoint"
        time.sleep(0.005)


def assert_resumes(world, folder, whole):
    """The same command goes on where it was, to the same losses and the same reward."""
    step = json.loads(next(folder.glob("out/checkpoint/*/latest.json")).read_text())
    assert 0 < step < 8 and not (folder / "out/fit.json").exists()
    assert run(2, world, folder, *LONG) == [0, 0]
    (reward, about), (expected, before) = result(folder), result(whole)
    assert about["losses"] == before["losses"]  # bit for bit
    assert torch.equal(reward.basis, expected.basis)
    assert torch.equal(reward.logits, expected.logits)
    assert not (folder / "out/checkpoint").exists()


def test_all_killed_the_same_command_resumes_and_reaches_the_same(world, whole, tmp_path):
    running = processes.start(
        2, tmp_path / "said", processes.command, words(world, tmp_path / "out", *LONG)
    )
    wait_for_checkpoint(tmp_path / "out")
    for process in running:
        process.kill()
    assert processes.ended(running) == [-signal.SIGKILL] * 2
    assert_resumes(world, tmp_path, whole)


def test_one_killed_ends_all_with_a_line_and_the_same_command_resumes(world, whole, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    arguments = [str(word) for word in words(world, tmp_path / "out", *LONG)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    running = subprocess.Popen(
        [
            *command,
            "--master-port",
            str(processes.free_port()),
            "-m",
            "lore_core.train",
            *arguments,
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    wait_for_checkpoint(tmp_path / "out")
    workers = subprocess.check_output(["pgrep", "-P", str(running.pid)], text=True).split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    _, errors = running.communicate(timeout=60)
    assert running.returncode != 0 and "the same command goes on from" in errors
    assert "it/s" not in errors  # TQDM_DISABLE
    assert_resumes(world, tmp_path, whole)


class Stopping(checkpoints.Checkpoints):
    """Keeps every step, and is interrupted after so many."""

    def __init__(self, folder, left):
        super().__init__(folder, Processes(), 1)
        self.left = left

    def keep(self, run):
        super().keep(run)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("optimizer", ["lbfgs", "alternating"])
def test_stopped_after_any_step_of_any_ridge_it_ends_the_same(optimizer, world, tmp_path):
    pairs, validation = ragged(COUNTS, 1), ragged([3] * N, 2)
    recipe = Recipe(optimizer=optimizer, steps=6, ridge_basis=(1e-4, 1e-2))
    responses, expected = one_process(world, recipe=recipe, validation=validation)

    def fit(left):
        keeper = Stopping(tmp_path, left)
        arguments = responses, pairs, K, recipe, 0, Processes(), torch.device("cpu"), keeper
        return fit_together(*arguments, validation=validation)

    stops, found = 0, None
    while found is None:
        try:
            found = fit(left=1)
        except KeyboardInterrupt:
            stops += 1
    assert stops > 4
    assert found.losses == pytest.approx(expected.losses, rel=SAME)
    assert found.validation == pytest.approx(expected.validation, rel=SAME)
    assert found.ridge_basis == expected.ridge_basis
    torch.testing.assert_close(found.reward.basis, expected.reward.basis, rtol=SAME, atol=SAME)


def test_a_finished_run_is_not_run_again(world, whole):
    before = (whole / "out/fit.json").stat().st_mtime_ns
    assert run(2, world, whole, *LONG) == [0, 0]
    assert (whole / "out/fit.json").stat().st_mtime_ns == before
    assert "after 8 steps" in processes.said(whole / "said", 2, "out")[0]


def test_another_command_in_the_same_folder_is_refused(world, whole):
    assert run(3, world, whole, *LONG) == [1, 1, 1]
    assert "belongs to processes 2, here 3; give another --out" in errors(whole, 3)
    assert run(2, world, whole, *LONG, "--seed", 1) == [1, 1]
    assert "belongs to seed 0, here 1" in errors(whole, 2)


def test_a_checkpoint_that_is_damaged_is_said_to_be(world, tmp_path):
    arguments = words(world, tmp_path / "out", *LONG)
    running = processes.start(1, tmp_path / "said", processes.command, arguments)
    wait_for_checkpoint(tmp_path / "out")
    running[0].kill()
    running[0].join()
    for part in tmp_path.glob("out/checkpoint/*/step-*/part-0.safetensors"):
        part.write_bytes(part.read_bytes()[:-1])
    assert run(1, world, tmp_path, *LONG) == [1]
    assert "part-0.safetensors is not a saved part of a run" in errors(tmp_path, 1)


def test_a_tree_comes_back_as_it_was():
    tree = {0: [torch.ones(2), None, {"a": 1.5, "b": torch.zeros(())}], "c": float("inf")}
    tensors = {}
    plain = json.loads(json.dumps(taken_apart(tree, tensors)))
    torch.testing.assert_close(put_together(plain, tensors), tree)


# --- what is said --------------------------------------------------------------------------------


def errors(folder, n):
    """The one line of the first process; the others say nothing."""
    first, *others = processes.said(folder / "said", n)
    assert others == [""] * (n - 1) and first.startswith("train: ") and first.count("\n") == 1
    return first


BAD = {
    "no file": (("--pairs", "nowhere.safetensors"), "nowhere.safetensors does not exist"),
    "rank 0": (("--rank", 0), "rank is 0, expected at least 1"),
    "users": (("--users", 5), "user id 11 is out of range for n_users = 5"),
    "no embeddings": (("--responses", __file__), "is no safetensors file with embeddings"),
    "a recipe": (("--temperature", 0), "temperature is 0.0, expected a number above 0"),
    "no interval": (("--checkpoint-steps", 0), "checkpoint_steps is 0"),
    "no device": (("--device", "cuda:99"), "asked for cuda:99, but torch cannot compute there"),
}


@pytest.mark.parametrize(("more", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_of_the_first_process_and_nothing_is_written(
    more, message, world, tmp_path
):
    assert run(2, world, tmp_path, *more) == [1, 1]
    assert message in errors(tmp_path, 2)
    assert not (tmp_path / "out").exists()


def test_more_processes_than_users_are_refused(world, tmp_path):
    saved(tmp_path / "two.safetensors", ragged([1, 1], 0).of_users(torch.tensor([0, 1])))
    more = "--pairs", tmp_path / "two.safetensors", "--users", 2
    assert run(3, world, tmp_path, *more) == [1] * 3
    assert "3 processes for 2 users; start at most 2" in errors(tmp_path, 3)


def shown_at_once(arguments):
    """The command, whose progress waits for no second."""
    os.environ.pop("TQDM_DISABLE", None)
    progress.DELAY = 0.0
    with progress.shown():
        processes.command(arguments)


def test_progress_is_shown_by_the_first_process_alone(world, tmp_path):
    arguments = words(world, tmp_path / "out", "--steps", 2)
    running = processes.start(2, tmp_path / "said", shown_at_once, arguments)
    assert processes.ended(running) == [0, 0]
    first, second = processes.said(tmp_path / "said", 2)
    assert "loss=" in first and "pairs/s" in first and second == ""
