"""The tail of a language model gives the logits of the whole, and reads what the whole reads."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tiny_models import LETTERS, llama

from lore_core.datasets import rating_states, twelve_questions
from lore_core.datasets.build.states import repeated
from lore_core.datasets.build.texts import GENERATORS, SUMS, bring
from lore_core.language_model import causal, rating, residual, weights
from lore_core.language_model.decoder import Decoder
from lore_core.language_model.residual import read_residuals, residuals
from lore_core.language_model.tail import Tail, last_weights, to_half
from lore_core.tools.paths import DATA

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
pytestmark = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")
SOURCE = Path(os.environ.get("LORE_SOURCE") or DATA / "source")
PROMPTS = [[5, 9, 11, 7], [8], [30, 31, 6, 5, 9, 12, 14], [17, 18], [8, 8, 8]]
LABELS = [10, 20, 30, 40]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a random Llama whose MLP is felt, with as many key heads as half its heads."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    llama(folder, num_key_value_heads=1, initializer_range=0.3, rms_norm_eps=1e-3)
    return folder


@pytest.fixture(scope="module")
def net(tiny):
    """It, with norms that are not all ones."""
    net = causal.load(tiny)[0]
    draw = torch.Generator().manual_seed(0)
    for name, weight in net.named_parameters():
        if "norm" in name:
            weight.copy_(1 + 0.5 * torch.randn(weight.shape, generator=draw))
    return net


@torch.no_grad()
def whole(net, prompts, labels):
    """The labels' logits behind each prompt, from all of the model, one prompt at a time."""
    rows = [net(torch.tensor([ids])).logits[0, -1, labels] for ids in prompts]
    return torch.stack(rows)


def test_the_tail_gives_the_logits_of_the_whole_model(net):
    found = Tail.of(net, LABELS)(residuals(net, PROMPTS))
    torch.testing.assert_close(found, whole(net, PROMPTS, LABELS), rtol=0, atol=1e-5)


def test_a_gradient_reaches_the_tails_maps_as_it_reaches_the_whole_models(tiny):
    net = causal.load(tiny)[0]
    maps = net.model.layers[-1].mlp
    maps.gate_proj.weight.requires_grad_(True)
    net(torch.tensor(PROMPTS[:1])).logits[0, -1, LABELS].square().sum().backward()
    tail = Tail.of(net, LABELS)
    tail.gate_proj.weight.requires_grad_(True)
    tail(residuals(net, PROMPTS[:1])).square().sum().backward()
    # In the whole model the MLP acts on every token, and the last block's other tokens go nowhere.
    torch.testing.assert_close(
        tail.gate_proj.weight.grad, maps.gate_proj.weight.grad, rtol=1e-4, atol=1e-5
    )


def test_a_tail_is_frozen_and_changes_apart_from_its_model(net):
    tail = Tail.of(net, LABELS)
    assert not any(weight.requires_grad for weight in tail.parameters())
    before = whole(net, PROMPTS[:1], LABELS)
    for weight in tail.parameters():
        weight.zero_()
    assert torch.equal(whole(net, PROMPTS[:1], LABELS), before)


def test_its_maps_are_called_as_in_the_model(net):
    theirs = {name.rpartition(".")[2] for name, _ in net.model.layers[-1].mlp.named_modules()}
    ours = {name for name, _ in Tail.of(net, LABELS).named_modules()}
    assert {"gate_proj", "up_proj", "down_proj"} <= ours & theirs


def test_what_was_read_is_kept_per_model_and_text(tiny, tmp_path, monkeypatch):
    decoder = Decoder.load(tiny)
    first = read_residuals(PROMPTS, decoder, tmp_path, progress=False)
    torch.testing.assert_close(first, residuals(decoder.net, PROMPTS), rtol=0, atol=1e-5)
    calls = []
    compute = residual.residuals
    monkeypatch.setattr(residual, "residuals", lambda *given: calls.append(1) or compute(*given))
    assert torch.equal(read_residuals(PROMPTS, decoder, tmp_path, progress=False), first)
    assert not calls
    [kept] = tmp_path.glob("*.safetensors")
    kept.write_bytes(kept.read_bytes()[:-9])  # damaged: read once more
    assert torch.equal(read_residuals(PROMPTS, decoder, tmp_path, progress=False), first)
    decoder.net.layers[0].mlp.up_proj.weight.mul_(2)
    assert not torch.equal(read_residuals(PROMPTS, decoder, tmp_path, progress=False), first)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("prompts", "said"),
    [([], "prompts is empty"), ([[5], []], "has 0 tokens"), ([[5] * 513], "has 513 tokens")],
)
def test_a_prompt_that_cannot_be_read_is_refused(tiny, tmp_path, prompts, said):
    with pytest.raises(ValueError, match=said):
        read_residuals(prompts, Decoder.load(tiny), tmp_path, progress=False)


@pytest.mark.parametrize("change", [{"mlp_bias": True}, {"hidden_act": "gelu"}])
def test_another_kind_of_model_is_refused(tmp_path, change):
    net = llama(tmp_path, **change)
    with pytest.raises(ValueError, match="LlamaForCausalLM is not built as Llama is"):
        Tail.of(net, LABELS)


def test_a_token_outside_the_vocabulary_is_refused(net):
    with pytest.raises(ValueError, match="labels contains 99, but there are 70"):
        Tail.of(net, [1, 99])


def test_what_half_precision_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="ends at 65504"):
        to_half({"state": torch.tensor([1.0, 7e4])})


def test_a_question_holds_the_beginnings_and_ends_where_the_answer_begins(tiny):
    tokenizer = causal.chat_tokenizer(tiny)
    [ids] = rating.questions(tokenizer, ["one two three four"], ["a b, c d e"], 2, 4)
    text = "[CLS] u ! Instruction: one two\n\nResponse: a b, c [SEP] . [CLS] a ! Rating: "
    assert ids == tokenizer(text, add_special_tokens=False).input_ids
    assert rating.beginnings(tokenizer, ["", "ten"], 1) == ["", "ten"]


def test_questions_need_as_many_responses_as_instructions(tiny):
    with pytest.raises(ValueError, match="instructions has 1 rows but responses has 2"):
        rating.questions(causal.chat_tokenizer(tiny), ["one"], ["a", "b"])


def test_a_label_is_one_token_that_the_tokenizer_knows(tiny, monkeypatch):
    tokenizer = causal.chat_tokenizer(tiny)
    letters = rating.label_tokens(tokenizer, "letters")  # this tokenizer lowers them
    assert tokenizer.convert_ids_to_tokens(letters) == LETTERS[:6]
    with pytest.raises(ValueError, match="label '1' as the tokens"):
        rating.label_tokens(tokenizer, "digits")
    with pytest.raises(ValueError, match="labels is 'words', expected one of digits, letters"):
        rating.label_tokens(tokenizer, "words")


needs_model = pytest.mark.skipif(not weights.is_whole(weights.home()), reason="needs `make model`")


@pytest.fixture(scope="module")
def smollm2():
    return causal.load(weights.home(), device="cpu")


@pytest.fixture(scope="module")
def answers(smollm2):
    """States of twenty prompts, and the logits of all tokens from the whole model."""
    net, tokenizer = smollm2
    texts = twelve_questions.read().iloc[::4][:20]
    asked = rating.questions(tokenizer, texts.prompt.tolist(), texts.response.tolist())
    assert {tokenizer.decode(ids[-2:]) for ids in asked} == {": "}
    return residuals(net, asked), whole(net, asked, slice(None))


@pytest.mark.model
@needs_model
@pytest.mark.parametrize("labels", ["digits", "letters"])
def test_the_real_models_tail_is_exact_and_its_halves_keep_the_order(smollm2, answers, labels):
    net, tokenizer = smollm2
    tokens = rating.label_tokens(tokenizer, labels)
    state, expected = answers[0], answers[1][:, tokens]
    torch.testing.assert_close(Tail.of(net, tokens)(state), expected, rtol=0, atol=1e-3)
    stored = rating_states.load().tail(labels)(state.half().float())
    torch.testing.assert_close(stored, expected, rtol=0, atol=0.02)
    changed = (stored.argsort(1) != expected.argsort(1)).any(1)
    assert changed.sum() <= 1, "a tie within rounding; of all 6,440 texts, 0.6 % are such ties"


@pytest.mark.model
@needs_model
@pytest.mark.skipif(not (SOURCE / "results").is_dir(), reason="no texts here: see LORE_SOURCE")
def test_the_model_reads_the_stored_states_again(smollm2, tmp_path):
    net, tokenizer = smollm2
    instructions, responses, _ = bring(SOURCE, tmp_path, SUMS, GENERATORS, False)
    rows, stored = torch.arange(3, 6440, 322), rating_states.load()
    before = repeated(instructions, len(GENERATORS))
    texts = [before[row] for row in rows], [responses[row] for row in rows]
    again = residuals(net, rating.questions(tokenizer, *texts))
    # Another processor sums in another order, which may turn the last digit of half precision.
    torch.testing.assert_close(again, stored.state[rows], rtol=2e-3, atol=2e-3)
    for labels in rating.LABELS:
        exact = Tail.of(net, rating.label_tokens(tokenizer, labels))(again)
        found = stored.tail(labels)(stored.state[rows])
        torch.testing.assert_close(found, exact, rtol=0, atol=0.02)
        assert torch.equal(found.argsort(1), exact.argsort(1))
    for name, weight in to_half(last_weights(net)[0]).items():
        assert torch.equal(stored.weights[name], weight.float()), name
