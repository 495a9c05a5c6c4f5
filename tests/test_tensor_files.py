"""What is read is what was written: the same bits, in memory of its own, or an error."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from worlds import normal, planted

from lore_core import LowRankReward
from lore_core.evaluation.benchmark import Result
from lore_core.evaluation.study import BLOCKS
from lore_core.methods import PerUser
from lore_core.methods.per_user import PerUserModel
from lore_core.tools import tensor_files
from lore_core.tools.files import whole

TENSORS = {
    "doubles": normal(3, 2),
    "halves": normal(2, 3).half(),
    "brains": normal(4).bfloat16(),
    "numbers": torch.arange(5),
    "truths": torch.tensor([True, False]),
    "one": torch.tensor(2.5),
    "none": torch.zeros(0, 4),
    "nothing": torch.from_numpy(np.array([])),  # with a stride of 0
}
ABOUT = {"kind": "test", "settings": {"rank": 3, "words": ["ä", None, 0.1]}}


@pytest.fixture
def path(tmp_path):
    tensor_files.write(tmp_path / "tensors", TENSORS, ABOUT)
    return tmp_path / "tensors"


def test_tensors_and_what_is_said_about_them_come_back_as_they_were(path):
    tensors, about = tensor_files.read(path)
    assert about == ABOUT and tensors.keys() == TENSORS.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == TENSORS[name].dtype and torch.equal(tensor, TENSORS[name])


def test_the_same_content_is_the_same_bytes(path):
    first = path.read_bytes()
    tensor_files.write(path, dict(reversed(TENSORS.items())), ABOUT)
    assert path.read_bytes() == first


def test_every_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "tensors"
    tensor_files.write(path, {"a": normal(2, 2), "b": torch.arange(3)}, {"rank": 3})
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match="tensors (is damaged|cannot be read)"):
            tensor_files.read(path)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, -1, -8])
def test_a_file_cut_short_is_noticed(length, path):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="tensors (is damaged|cannot be read)"):
        tensor_files.read(path)


def test_a_file_of_somebody_else_is_refused(tmp_path):
    save_file({"a": normal(2, 2)}, tmp_path / "other")
    with pytest.raises(ValueError, match="other cannot be read"):
        tensor_files.read(tmp_path / "other")


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        tensor_files.read(tmp_path / "none")


def shifted(content: bytes, spaces: int) -> bytes:
    """The same file with a longer header: its numbers move by so many bytes."""
    size = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + size] + b" " * spaces
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


@pytest.mark.parametrize("spaces", range(0, 64, 8))
def test_wherever_the_numbers_lie_in_the_file_a_model_gives_the_same_bits(spaces, tmp_path):
    """Products take another path through some processors where memory is aligned to 8 bytes."""
    world, path = planted(), tmp_path / "model"
    model = PerUser().fit(world.responses, world.train, device="cpu")
    model.save(path)
    path.write_bytes(shifted(path.read_bytes(), spaces))
    loaded, asked = PerUserModel.load(path), world.tests[BLOCKS[1]]
    assert torch.equal(
        loaded.margins(world.responses, asked), model.margins(world.responses, asked)
    )
    assert torch.equal(
        loaded.adapt(world.responses, world.shots), model.adapt(world.responses, world.shots)
    )


@pytest.mark.parametrize("spaces", range(0, 64, 8))
def test_what_is_read_lies_where_torch_puts_its_own(spaces, path):
    path.write_bytes(shifted(path.read_bytes(), spaces))
    tensors, _ = tensor_files.read(path)
    assert all(t.data_ptr() % 64 == 0 for t in tensors.values() if t.numel())


def test_a_file_replaced_or_emptied_after_reading_changes_nothing(path):
    """A mapped file would change the numbers, or end the process."""
    tensors, _ = tensor_files.read(path)
    path.write_bytes(b"")
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_a_reward_survives_its_file_being_overwritten(tmp_path):
    reward = LowRankReward(normal(6, 3), normal(5, 3, seed=1))
    reward.save(tmp_path / "reward")
    loaded = LowRankReward.load(tmp_path / "reward")
    (tmp_path / "reward").write_bytes(b"\0" * 10_000)
    assert torch.equal(loaded.basis, reward.basis) and torch.equal(loaded.weights, reward.weights)


def test_a_model_with_nan_in_its_file_is_refused(tmp_path):
    world = planted(n_users=5)
    model = PerUser().fit(world.responses, world.train, device="cpu")
    tensors, settings = model.state()
    tensors["directions"] = tensors["directions"] * float("nan")
    about = {"kind": model.kind, "settings": settings}
    tensor_files.write(tmp_path / "model", tensors, about)
    with pytest.raises(ValueError, match="is not a saved PerUserModel .directions: .* NaN or in"):
        PerUserModel.load(tmp_path / "model")


@pytest.mark.parametrize("harm", [lambda b: b[:-9], lambda b: b"", lambda b: b"x" * 99])
def test_a_damaged_result_names_its_file(harm, tmp_path):
    path = tmp_path / "lore.safetensors"
    Result(normal(4), normal(2, 3, 4), normal(4), normal(4), {"chosen": ""}).save(path)
    assert torch.equal(Result.load(path).seen, normal(4))
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path} "):
        Result.load(path)


def test_a_result_that_is_something_else_names_its_file_and_the_remedy(path):
    with pytest.raises(ValueError, match=f"{path} is not a saved Result.*make figures"):
        Result.load(path)


def test_what_a_killed_process_left_is_removed_when_the_file_is_next_written(tmp_path):
    path = tmp_path / "table [1].csv"
    killed = f"""
import os, signal
from lore_core.tools.files import whole
with whole({str(path)!r}) as unfinished:
    unfinished.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -9
    [left] = tmp_path.iterdir()
    with whole(path) as unfinished:
        unfinished.write_text("new")
    assert left.exists(), "it might have been at work: it is younger than an hour"
    os.utime(left, (time.time() - 4000,) * 2)
    with whole(path) as unfinished:
        unfinished.write_text("newer")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "newer"


def test_the_fingerprint_is_of_names_types_shapes_and_numbers():
    base = tensor_files.fingerprint({"a": torch.zeros(2, 3)}, {})
    for tensors, about in [
        ({"b": torch.zeros(2, 3)}, {}),
        ({"a": torch.zeros(3, 2)}, {}),
        ({"a": torch.zeros(2, 3).int()}, {}),
        ({"a": -torch.zeros(2, 3)}, {}),
        ({"a": torch.zeros(2, 3)}, {"rank": 1}),
    ]:
        assert tensor_files.fingerprint(tensors, about) != base
    assert json.dumps(base)
