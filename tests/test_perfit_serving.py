"""Users served by shifts and by adapters: what they cost, and that a switch is to that user."""

import copy
import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tiny_models import llama

from lore_core.evaluation import serving_rows, serving_times, small_tables
from lore_core.evaluation.serving import Served
from lore_core.evaluation.serving_rows import ADAPTER, MERGED, NOTHING, SHIFTS
from lore_core.language_model import causal
from lore_core.perfit import counting, kept_users
from lore_core.perfit.presets import Preset
from lore_core.proper import count

pytestmark = pytest.mark.skipif(not find_spec("peft"), reason="needs the extra `hub`")
N, D, LAYERS = 3, 16, 3
PRESET = Preset(4, 2, (1, 2), "f1+l2", 1)
ONE = [(D, D), (D, D // 2)]  # q and v of a block with one key-value head of two
OWN = {SHIFTS: counting.perfit(2, 2, D), ADAPTER: count.lora(LAYERS * ONE, 8)}
OWN |= {NOTHING: 0, MERGED: OWN[ADAPTER]}
IDS = torch.tensor([[5, 9, 11, 7, 30]])


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    llama(folder, num_key_value_heads=1, initializer_range=0.3)
    return causal.load(folder, device="cpu")[0]


@pytest.fixture
def ways(net, tmp_path):
    return serving_rows.ways(net, tmp_path / "served", N, PRESET)


@torch.no_grad()
def logits(way):
    with way.speaking() as net:
        return net(IDS).logits


def near(name):
    """What is merged was added to weights and taken away again; all else is exact."""
    return {"rtol": 0, "atol": 1e-4 if name == MERGED else 0}


def in_file(path):
    if path.suffix != ".safetensors":
        return 0
    with safe_open(path, framework="pt") as file:
        return sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118


def test_numbers_and_bytes_of_a_user_are_counted_as_they_lie_on_the_disk(ways):
    found = serving_rows.table(ways, runs=1, prompt=6, tokens=2).set_index("way")
    for name, way in ways.items():
        assert found.numbers[name] == OWN[name] == sum(map(in_file, way.files[1]))
        assert found.memory[name] == 4 * OWN[name]
        assert found.bytes[name] == sum(len(path.read_bytes()) for path in way.files[0])
        assert found.bytes[name] >= found.memory[name]
    held = [list(way.adapted.peft_config) for way in (ways[MERGED], ways[MERGED].alone())]
    assert held == [["0", "1", "2"], ["0"]]
    assert (found.users == N).all() and (found.runs == 1).all()


@pytest.mark.parametrize("name", [SHIFTS, ADAPTER, MERGED])
@pytest.mark.parametrize("move", ["turn", "read"])
def test_a_switch_there_and_back_answers_as_at_first(ways, name, move):
    way = ways[name] if move == "turn" else ways[name].alone()
    first = logits(way)
    getattr(way, move)(1)
    other = logits(way)
    getattr(way, move)(0)
    torch.testing.assert_close(logits(way), first, **near(name))
    getattr(way, move)(1)
    torch.testing.assert_close(logits(way), other, **near(name))
    assert (other - first).abs().max() > 1e-3


@pytest.mark.parametrize("name", [SHIFTS, ADAPTER, MERGED])
def test_who_is_held_answers_as_who_is_read_from_the_disk(ways, name):
    many, one = ways[name], ways[name].alone()
    for user in (2, 0, 1):
        many.turn(user)
        one.read(user)
        torch.testing.assert_close(logits(one), logits(many), rtol=0, atol=1e-4)


def test_an_adapter_answers_as_its_file_says(net, ways):
    # By hand: W x + α/r B A x, from the second user's file.
    settings, numbers = ways[ADAPTER].files[1]
    said, own = json.loads(settings.read_text()), copy.deepcopy(net)
    with safe_open(numbers, framework="pt") as file:
        for name, layer in own.named_modules():
            if name.endswith(("q_proj", "v_proj")):
                A, B = (file.get_tensor(f"base_model.model.{name}.lora_{x}.weight") for x in "AB")
                layer.weight.data += said["lora_alpha"] / said["r"] * B @ A
    for name in (ADAPTER, MERGED):
        ways[name].turn(1)
    torch.testing.assert_close(logits(ways[ADAPTER]), own(IDS).logits, rtol=0, atol=1e-4)
    assert (logits(ways[MERGED]) - own(IDS).logits).abs().max() > 1e-3  # its draws are others


def test_an_adapter_that_is_merged_answers_as_one_that_is_not(ways):
    merged = ways[MERGED]
    merged.turn(1)
    expected = logits(merged)
    merged.adapted.unmerge_adapter()
    torch.testing.assert_close(logits(merged), expected, rtol=0, atol=1e-4)


def test_the_model_stays_as_it_is_whoever_is_served(net, ways):
    before, plain = {n: w.clone() for n, w in net.state_dict().items()}, net(IDS).logits
    serving_rows.table(ways, runs=2, prompt=6, tokens=2)
    assert all(torch.equal(before[name], w) for name, w in net.state_dict().items())
    assert torch.equal(logits(ways[NOTHING]), plain)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_users_come_without_the_check_that_load_makes_each_time(ways, monkeypatch):
    shifted, [path] = ways[SHIFTS].shifted, ways[SHIFTS].files[1]
    kept_users.load_users(shifted, [path])
    loaded = {name: nudge.personal.W.clone() for name, nudge in shifted.nudges.items()}
    kept_users.put_users(shifted, [path, path], ways[SHIFTS].stands_on)
    assert shifted.n_users == 2
    for name, nudge in shifted.nudges.items():
        assert torch.equal(nudge.personal.W, loaded[name].repeat(2, 1, 1))
    with pytest.raises(ValueError, match="made for another network, or another φ_c"):
        kept_users.put_users(shifted, [path], "0" * 64)


def test_each_time_is_the_least_of_all_runs_but_the_first(ways, monkeypatch):
    # Run k takes 10 - k, whatever is timed; the runs are 0 to 5, and 0 does not count.
    monkeypatch.setattr(
        serving_rows,
        "times",
        lambda many, one, run, *_: dict.fromkeys(serving_rows.TIMES, 10 - run),
    )
    found = serving_rows.table(ways, runs=5, prompt=6, tokens=2)
    assert (found[serving_rows.TIMES] == 5).all(axis=None)
    assert (found[[f"{name}, median" for name in serving_rows.TIMES]] == 7).all(axis=None)


def test_each_run_reads_one_user_and_turns_to_another_than_before(net):
    called = []

    class Heard(Served):
        def alone(self):
            return Heard(self.net, [])  # only what is alone reads

        def read(self, user):
            called.append((f"read, {len(self.files)}", user))

        def turn(self, user):
            called.append((f"turn, {len(self.files)}", user))

        def check(self):
            called.append((f"check, {len(self.files)}", 0))

    served = Heard(net, N * [[Path(__file__)]])
    serving_rows.table({"one": served}, runs=2, prompt=3, tokens=1)
    expected = [[("read, 0", u), (f"turn, {N}", u), ("check, 0", 0)] for u in (0, 1, 2)]
    assert called == sum(expected, [])


def test_the_first_step_reads_the_prompt_and_each_further_one_a_token(net):
    read = []
    hook = net.register_forward_pre_hook(
        lambda _, __, given: read.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    steps = list(serving_times.answer(net, prompt=6, tokens=3))
    hook.remove()
    assert read == [(1, 6), (1, 1), (1, 1), (1, 1)] and len(steps) == 4


def test_what_is_written_is_read(ways, tmp_path):
    found = serving_rows.table(ways, runs=1, prompt=6, tokens=2)
    small_tables.write(found, tmp_path / "serving.csv")
    again = serving_rows.read(tmp_path / "serving.csv")
    assert again.way.tolist() == [NOTHING, SHIFTS, ADAPTER, MERGED]
    assert again.numbers.tolist() == found.numbers.tolist()


def test_the_committed_table_counts_what_the_formulas_count():
    if not serving_rows.FILE.is_file():
        pytest.skip("not computed yet")
    found = serving_rows.read().set_index("way")
    assert found.numbers[SHIFTS] == counting.perfit(3, 1, 576)
    assert found.numbers[ADAPTER] == count.lora(30 * [(576, 576), (576, 192)], 8)


def test_a_block_that_is_missing_and_a_prompt_that_is_too_long_are_refused(net, ways, tmp_path):
    with pytest.raises(ValueError, match="a prompt of 500 tokens and a response of 33 do not fit"):
        serving_rows.table(ways, prompt=500)
    with pytest.raises(ValueError, match="layer 13 is to be moved, but the model has 3 blocks"):
        serving_rows.ways(net, tmp_path, N)
