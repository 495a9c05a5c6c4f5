"""A model in two parts gives what the whole gives; what is read once stays on disk."""

from importlib.util import find_spec

import pytest
import torch
from tiny_models import llama

from lore_core.language_model import causal, whole
from lore_core.language_model.whole import entering, part

pytestmark = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")
PROMPTS = [[5, 9, 11, 7], [8], [30, 31, 6, 5, 9, 12, 14], [5, 9, 11, 7]]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    llama(folder, layers=4, initializer_range=0.3, num_key_value_heads=1)
    return folder


@pytest.fixture
def net(tiny):
    return causal.load(tiny, device="cpu")[0]


def read(net, block, place, prompts=PROMPTS):
    return entering(net, prompts, block, place, progress=False)


@pytest.mark.parametrize("block", [0, 1, 3, 4])
def test_the_upper_part_gives_the_logits_of_the_whole_model(net, tmp_path, block):
    states = read(net, block, tmp_path)
    found = part(net, block)(inputs_embeds=states.batch([0, 1, 2]), use_cache=False).logits
    for row, ids in enumerate(PROMPTS[:3]):
        expected = net(torch.tensor([ids])).logits[0]
        torch.testing.assert_close(found[row, : len(ids)], expected, rtol=0, atol=1e-5)
    assert len(states) == 4 and torch.equal(states[0], states[3])


def test_a_second_call_reads_from_disk(net, tmp_path, monkeypatch):
    first = read(net, 2, tmp_path)
    monkeypatch.setattr(whole, "written", None)
    again = read(net, 2, tmp_path, PROMPTS[1:])
    assert torch.equal(again[1], first[2])


def test_what_is_missing_or_damaged_is_read_once_more(net, tmp_path):
    first = read(net, 2, tmp_path, PROMPTS[:1])[0]
    [path] = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-40])
    again = read(net, 2, tmp_path)
    torch.testing.assert_close(again[0], first, rtol=0, atol=1e-6)
    assert [len(again[row]) for row in range(4)] == [4, 1, 7, 4]


def test_training_above_keeps_the_states_and_another_block_or_model_has_its_own(net, tmp_path):
    read(net, 2, tmp_path)
    net.model.layers[2].mlp.up_proj.weight.mul_(2)
    read(net, 2, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    read(net, 1, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    before = read(net, 2, tmp_path)[0]
    net.model.layers[1].mlp.up_proj.weight.mul_(2)
    assert not torch.equal(read(net, 2, tmp_path)[0], before)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_upper_part_is_trained_and_the_whole_model_has_learned(net, tmp_path):
    states, upper = read(net, 2, tmp_path), part(net, 2)
    weight = net.model.layers[3].mlp.gate_proj.weight.requires_grad_(True)
    frozen = net.model.layers[1].mlp.gate_proj.weight.clone()
    ids = torch.tensor([PROMPTS[2]])
    before = net(ids).logits.detach()
    loss = upper(inputs_embeds=states.batch([2]), labels=ids, use_cache=False).loss
    loss.backward()
    with torch.no_grad():
        weight -= weight.grad
    after = upper(inputs_embeds=states.batch([2]), labels=ids, use_cache=False).loss
    assert after < loss and not torch.allclose(net(ids).logits, before)
    assert torch.equal(net.model.layers[1].mlp.gate_proj.weight, frozen)
    weight.requires_grad_(False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((3, 2), "asked for the blocks 3 to 1 of a model of 4"),
        ((0, 5), "asked for the blocks 0 to 4 of a model of 4"),
        ((-1, 2), "first is -1"),
    ],
)
def test_blocks_that_are_not_there_are_refused(net, given, said):
    with pytest.raises(ValueError, match=said):
        part(net, *given)


def test_an_empty_prompt_is_refused(net, tmp_path):
    with pytest.raises(ValueError, match="a prompt has 0 tokens, expected 1 to 512"):
        read(net, 2, tmp_path, [[5], []])
