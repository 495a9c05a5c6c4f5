"""A decoder is steered as the formulas say: by a choice of responses, or by mixed logits."""

import math
import os
from importlib.util import find_spec

import pytest
import torch
from tiny_models import VOCABULARY, llama
from worlds import normal

from lore_core.language_model import causal
from lore_core.language_model.generate import WAYS, generate, mixed_samples, scored
from lore_core.language_model.mixed import Mixture, add_adapters
from lore_core.language_model.sampling import Speaker, left_padded, picked, samples
from lore_core.language_model.steer import best, drawn, tilted
from lore_core.palm.lora import Lora, with_adapter
from lore_core.tools import draws

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
pytestmark = pytest.mark.skipif(
    not (find_spec("transformers") and find_spec("peft")), reason="needs the extra `hub`"
)

PROMPTS = ["one two", "three", "four five six seven"]
SHORT = {"n_tokens": 6, "rows": 5}
EVEN = torch.tensor([0.5, 0.5])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / "llama"
    llama(place, layers=2, hidden_size=32, initializer_range=0.2)
    return place


@pytest.fixture(scope="module")
def speaking(folder):
    return causal.load(folder, device="cpu")


@pytest.fixture(scope="module")
def adapted(folder, tmp_path_factory):
    """A model with the adapters a and b, and a third that is the same as a."""
    places = {}
    for name, seed in (("a", 1), ("b", 2), ("twin", 1)):
        model, _ = causal.load(folder, device="cpu")
        source = draws.generator(seed)
        wrapped = with_adapter(model, Lora(rank=2), source)
        for weight_name, weight in wrapped.named_parameters():
            if "lora_B" in weight_name:
                weight.data.copy_(draws.normal(source, *weight.shape) / 4)
        places[name] = tmp_path_factory.mktemp("adapters") / name
        wrapped.save_pretrained(places[name], save_embedding_layers=False)
    model, tokenizer = causal.load(folder, device="cpu")
    add_adapters(model, places)
    return model, tokenizer


def brief(chats):
    """Two rewards that a text shows: few words, and how often it says `one`."""
    texts = [response for _, response in chats]
    return torch.tensor([[-len(t.split()), t.split().count("one")] for t in texts]).double()


def alone(model, ids):
    """The next token's log-probabilities, of one prompt, by the model's own forward."""
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)


def texts(speaking, prompts=PROMPTS, how="best_of", seed=0, weights=EVEN, **more):
    return generate(
        *speaking, prompts, brief, weights, how, generator=draws.generator(seed), **(SHORT | more)
    )


# What a model finds likely


def test_a_response_is_as_likely_as_the_product_of_its_tokens(speaking):
    model, tokenizer = speaking
    chats = causal.said(tokenizer, PROMPTS, ["six seven", "", "one two three."])
    found = causal.log_likelihoods(model, chats, budget=1000)
    for turn, got in zip(chats, found.tolist(), strict=True):
        by_hand = sum(alone(model, turn.ids[:t])[turn.ids[t]] for t in range(turn.start, turn.stop))
        assert got == pytest.approx(float(by_hand), abs=1e-4)


def test_the_batch_does_not_change_how_likely_a_response_is(speaking):
    model, tokenizer = speaking
    chats = causal.said(tokenizer, ["one"] * 3, ["two", "two three four five six", ""])
    together = causal.log_likelihoods(model, chats, budget=1000)
    torch.testing.assert_close(
        together, causal.log_likelihoods(model, chats, budget=1), atol=1e-4, rtol=0
    )


def test_a_response_that_was_cut_has_no_end_of_turn(speaking):
    _, tokenizer = speaking
    (whole,) = causal.said(tokenizer, ["one"], ["two"])
    (cut,) = causal.said(tokenizer, ["one"], ["two"], [False])
    assert whole.ids[:-1] == cut.ids and whole.ids[-1] == tokenizer.eos_token_id


def test_bits_per_byte_are_those_of_the_tokens_over_the_bytes_of_the_text(speaking):
    model, tokenizer = speaking
    found = causal.bits_per_byte(model, tokenizer, ["one"] * 2, ["two three", ""])
    chats = causal.said(tokenizer, ["one"], ["two three"])
    nats = float(causal.log_likelihoods(model, chats))
    assert found[0] == pytest.approx(-nats / math.log(2) / 9) and found[1].isnan()


# Speaking


def test_a_speaker_says_what_the_model_says_of_each_prompt_alone(speaking):
    model, tokenizer = speaking
    prompts = causal.heads(tokenizer, PROMPTS)
    ids, mask = left_padded(prompts)
    assert (mask == 0).any()
    speaker = Speaker(model)
    first = speaker.next(ids, mask)
    then = speaker.next(torch.full((3, 1), 7), torch.cat([mask, torch.ones(3, 1).long()], 1))
    for row, prompt in enumerate(prompts):
        torch.testing.assert_close(first[row], alone(model, prompt), atol=1e-5, rtol=0)
        torch.testing.assert_close(then[row], alone(model, [*prompt, 7]), atol=1e-5, rtol=0)


def test_padding_takes_no_place_where_a_model_counts_places():
    """GPT-2 adds a vector for each place, so a shift by padding would show."""
    import transformers

    torch.manual_seed(0)
    sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": 50}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes)).eval()
    prompts = [[5, 6, 7, 8, 9], [7]]
    found = Speaker(model).next(*left_padded(prompts))
    for row, prompt in enumerate(prompts):
        torch.testing.assert_close(found[row], alone(model, prompt), atol=1e-5, rtol=0)
    assert causal.window(model) == 64


def test_what_a_prompt_is_told_does_not_depend_on_the_prompts_beside_it(speaking):
    few = samples(*speaking, PROMPTS, 2, draws.generator(0), n_tokens=6, rows=1)
    assert few == samples(*speaking, PROMPTS, 2, draws.generator(0), n_tokens=6, rows=64)
    assert few[:1] == samples(*speaking, PROMPTS[:1], 2, draws.generator(0), n_tokens=6)


def test_tokens_come_as_often_as_the_model_finds_them_likely(speaking):
    model, tokenizer = speaking
    found = samples(model, tokenizer, ["one"], 4000, draws.generator(0), n_tokens=1, rows=4000)
    words = [sample.text for sample in found[0]]
    expected = alone(model, causal.heads(tokenizer, ["one"])[0]).exp()
    for token in expected.topk(3).indices.tolist():
        shown = tokenizer.decode([token], skip_special_tokens=True)
        share = sum(word == shown for word in words) / 4000
        if shown:
            assert share == pytest.approx(float(expected[token]), abs=0.03)


def test_a_low_temperature_takes_the_most_likely_token(speaking):
    model, tokenizer = speaking
    ((found,),) = samples(
        model, tokenizer, ["one"], 1, draws.generator(0), n_tokens=1, temperature=1e-6
    )
    token = int(alone(model, causal.heads(tokenizer, ["one"])[0]).argmax())
    assert found.text == tokenizer.decode([token], skip_special_tokens=True)


def test_a_sample_ends_where_its_turn_ends(speaking):
    found = samples(*speaking, ["one"], 50, draws.generator(1), n_tokens=40)[0]
    assert {True, False} >= {sample.ended for sample in found} and any(s.ended for s in found)
    assert all("[SEP]" not in sample.text for sample in found)
    longest = max(len(sample.text.split()) for sample in found)
    assert longest > min(len(sample.text.split()) for sample in found)


@pytest.mark.parametrize("how", ["best_of", "tilted"])
def test_one_seed_gives_one_text_and_two_seeds_two(speaking, how):
    one = texts(speaking, how=how, n=2, beta=0.5)
    assert one == texts(speaking, how=how, n=2, beta=0.5)
    assert one != texts(speaking, how=how, n=2, beta=0.5, seed=1)


def test_an_entry_of_probability_0_is_never_picked():
    row = torch.tensor([[0.0, 0.5, 0.5, 0.0]])
    edges = torch.tensor([0.0, 0.5, 1 - 1e-16], dtype=torch.float64)
    assert [int(picked(row, edge[None])) for edge in edges] == [1, 2, 2]


# Choosing among responses


@pytest.mark.parametrize("weights", [[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]])
def test_best_of_n_is_the_response_with_the_largest_reward(speaking, weights):
    weights = torch.tensor(weights)
    found = texts(speaking, weights=weights, n=6)
    drawn_ones = samples(*speaking, PROMPTS, 6, draws.generator(0), **SHORT)
    for prompt, got, each in zip(PROMPTS, found, drawn_ones, strict=True):
        worth = brief([(prompt, sample.text) for sample in each]) @ weights.double()
        assert float(brief([(prompt, got)])[0] @ weights.double()) == worth.max()


def test_tilted_is_drawn_as_often_as_the_closed_form_says():
    rewards, weights = normal(1, 5, 2).expand(20000, 5, 2), torch.tensor([0.2, 0.8])
    chosen = drawn(tilted(rewards, weights, 0.7), draws.generator(0))
    by_hand = [math.exp(float(r @ weights.double()) / 0.7) for r in rewards[0]]
    for place, weight in enumerate(by_hand):
        share = float((chosen == place).double().mean())
        assert share == pytest.approx(weight / sum(by_hand), abs=0.015)


def test_without_a_price_equals_share_and_the_best_have_it_all():
    rewards = torch.tensor([[[1.0], [3.0], [3.0]], [[2.0], [1.0], [0.0]]])
    weights = torch.ones(1)
    assert tilted(rewards, weights, 0).tolist() == [[0, 0.5, 0.5], [1, 0, 0]]
    assert tilted(rewards, weights, 1e-6).argmax(1)[1] == best(rewards, weights)[1] == 0
    torch.testing.assert_close(
        tilted(rewards, weights, 1e9), torch.full((2, 3), 1 / 3).double(), atol=1e-6, rtol=0
    )


# Mixed logits


def mixture(adapted, names, weights):
    model, tokenizer = adapted
    ids, mask = left_padded(causal.heads(tokenizer, PROMPTS))
    return Mixture(model, names, torch.tensor(weights)).next(ids, mask)


def each_alone(adapted, name):
    """Log-probabilities of every prompt under one adapter, by the model's own forward."""
    model, tokenizer = adapted
    model.set_adapter(name)
    return torch.stack([alone(model, head) for head in causal.heads(tokenizer, PROMPTS)])


def test_one_adapter_alone_is_that_model(adapted):
    found = mixture(adapted, ["a"], [1.0])
    torch.testing.assert_close(found, each_alone(adapted, "a"), atol=1e-5, rtol=0)


def test_equal_models_mixed_are_the_model(adapted):
    found = mixture(adapted, ["a", "twin"], [0.3, 0.7])
    torch.testing.assert_close(found, each_alone(adapted, "a"), atol=1e-5, rtol=0)


def test_a_mixture_is_the_softmax_of_weighted_log_probabilities(adapted):
    found = mixture(adapted, ["a", "b"], [0.3, 0.7])
    one, other = each_alone(adapted, "a"), each_alone(adapted, "b")
    assert (one - other).abs().max() > 0.5
    odds = one.exp() ** 0.3 * other.exp() ** 0.7
    by_hand = (odds / odds.sum(1, keepdim=True)).log()
    torch.testing.assert_close(found, by_hand, atol=1e-5, rtol=0)
    corner = mixture(adapted, ["a", "b"], [0.0, 1.0])
    torch.testing.assert_close(corner, other, atol=1e-5, rtol=0)


def test_a_mixture_goes_on_with_what_each_adapter_read(adapted):
    model, tokenizer = adapted
    (head,) = causal.heads(tokenizer, ["one two"])
    speaker = Mixture(model, ["a", "b"], torch.tensor([0.3, 0.7]))
    speaker.next(*left_padded([head]))
    found = speaker.next(torch.tensor([[7]]), torch.ones(1, len(head) + 1).long())
    again = Mixture(model, ["a", "b"], torch.tensor([0.3, 0.7]))
    whole = again.next(*left_padded([[*head, 7]]))
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=0)


def test_mixed_text_is_that_of_the_seed_and_leaves_the_model_as_it_was(adapted):
    adapted[0].set_adapter("b")
    one = texts(adapted, how="logits", adapters=["a", "twin"])
    assert one == texts(adapted, how="logits", adapters=["a", "twin"])
    assert one != texts(adapted, how="logits", adapters=["a", "twin"], seed=1)
    assert adapted[0].active_adapters() == ["b"]
    model, tokenizer = adapted
    model.set_adapter("a")
    alone_said = samples(model, tokenizer, PROMPTS, 1, draws.generator(0), **SHORT)
    assert one == [only.text for (only,) in alone_said]


# What can go wrong


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"how": "beam"}, f"how is 'beam', expected one of {', '.join(WAYS)}"),
        ({"weights": [0.5, 0.6]}, "weights of 1 users do not lie on the simplex"),
        ({"weights": [0.5, float("nan")]}, "weights has NaN"),
        ({"weights": [[0.5, 0.5]]}, r"weights have shape \(1, 2\), expected \(K,\)"),
        ({"weights": [1.0]}, r"the reward gives the shape \(6, 2\) for 6 chats and 1 weights"),
        ({"n": 0}, "n is 0, expected a whole number of at least 1"),
        ({"n_tokens": 0}, "n_tokens is 0"),
        ({"n_tokens": 600}, "do not fit into the model's window of 512 tokens"),
        ({"temperature": 0}, "temperature is 0, expected a number above 0"),
        ({"how": "tilted", "beta": -0.1}, "beta is -0.1, expected 0 or more"),
        ({"prompts": []}, "prompts is empty; give at least one"),
        ({"prompts": "one"}, "prompts is the string 'one', expected a list"),
        ({"how": "logits", "adapters": ["a"]}, "got 1 adapters for 2 weights"),
        ({"how": "logits", "adapters": "ab"}, "adapters is the string 'ab'"),
        ({"how": "logits", "adapters": ["a", "z"]}, "an adapter is 'z', expected one of a, b"),
    ],
)
def test_bad_input_is_refused(adapted, changes, message):
    told = {"prompts": PROMPTS, "how": "best_of", "weights": [0.5, 0.5], "n": 2} | changes
    told["weights"] = torch.tensor(told["weights"])
    with pytest.raises(ValueError, match=message):
        texts(adapted, **told)


def test_a_model_without_adapters_says_so(speaking):
    with pytest.raises(ValueError, match="an adapter is 'a', expected one of none: it has none"):
        mixed_samples(*speaking, PROMPTS, torch.ones(1), ["a"], 1, generator=draws.generator(0))


def test_a_tokenizer_without_a_chat_template_is_refused(folder):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = None
    with pytest.raises(ValueError, match="has no chat template; give a model that was made"):
        causal.heads(tokenizer, PROMPTS)


def test_a_reward_that_is_missing_or_not_finite_is_refused():
    with pytest.raises(ValueError, match="reward is None; best_of and tilted need one"):
        scored(["one"], [["two"]], None, 2)
    with pytest.raises(ValueError, match="rewards has NaN"):
        scored(["one"], [["two"]], lambda chats: torch.full((1, 2), float("nan")), 2)


def test_an_adapter_that_is_not_there_or_has_a_name_twice_is_refused(adapted, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no adapter"):
        add_adapters(adapted[0], {"c": tmp_path})
    with pytest.raises(ValueError, match="has an adapter 'a' already"):
        add_adapters(adapted[0], {"a": tmp_path})


def test_the_vocabulary_of_the_tests_has_the_words(speaking):
    assert "one" in VOCABULARY and speaking[1].eos_token == "[SEP]"
