"""The file of hidden states: every row where it belongs, rebuilt alike, chosen on seen prompts."""

import os
from importlib.util import find_spec

import pandas as pd
import pytest
import torch
from texts import MODELS, PROMPTS, response, written
from tiny_models import bert, llama
from transformers import AutoModelForCausalLM

from lore_core.datasets import alpaca_eval
from lore_core.datasets.build import alpaca_eval as base
from lore_core.datasets.build import layers, sheet, states
from lore_core.evaluation.synthetic import draw_study
from lore_core.language_model.chat import turn
from lore_core.language_model.decoder import Decoder
from lore_core.tools.paths import DATA

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ["transformers", "sklearn"])), reason="needs the extra `hub`"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return written(tmp_path_factory.mktemp("data") / "texts")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    llama(folder)
    return folder


def built(source, model, place, **options):
    return states.build(
        source=source,
        model=model,
        layer=options.pop("layer", 2),
        out=place / "world.tiny.safetensors",
        cache=place / "cache",
        sums=source / "sums.sha256",
        generators=MODELS,
        progress=False,
        **options,
    )


@pytest.mark.parametrize("pooling", ["mean", "end"])
def test_every_row_holds_its_own_response_measured_in_standard_deviations(
    source, tiny, tmp_path, pooling
):
    tensors, about = alpaca_eval.read(built(source, tiny, tmp_path, pooling=pooling))
    assert (about["layer"], about["pooling"], about["model"]) == (2, pooling, "tiny")
    z, scale = tensors["embeddings"].double(), tensors["scale"]
    assert z.shape == (len(PROMPTS) * 3, 16) and tensors["embeddings"].dtype == torch.float16
    net = AutoModelForCausalLM.from_pretrained(tiny).eval()
    tokenizer = Decoder.load(tiny).tokenizer
    for row in (0, 7, 35):
        chat = turn(tokenizer, PROMPTS[row // 3], response(MODELS[row % 3], row // 3))
        with torch.no_grad():
            hidden = net(torch.tensor([chat.ids]), output_hidden_states=True).hidden_states[2][0]
        answer = hidden[chat.start : chat.stop].double()
        expected = answer.mean(0) if pooling == "mean" else answer[-1]
        torch.testing.assert_close(z[row] * scale[1] + scale[0], expected, atol=3e-3, rtol=0)
    assert z.mean(0).abs().max() < 1e-3 and (z.std(0, correction=0) - 1).abs().max() < 1e-3


def test_a_prompt_is_the_mean_of_what_stands_before_its_responses(source, tiny, tmp_path):
    tensors, _ = alpaca_eval.read(built(source, tiny, tmp_path))
    net = AutoModelForCausalLM.from_pretrained(tiny).eval()
    chat = turn(Decoder.load(tiny).tokenizer, PROMPTS[5], "anything")
    with torch.no_grad():
        ids = torch.tensor([chat.ids[: chat.start]])
        hidden = net(ids, output_hidden_states=True).hidden_states[2][0]
    mean, sd = tensors["prompt_scale"]
    found = tensors["prompt_embeddings"][5].double() * sd + mean
    torch.testing.assert_close(found, hidden.double().mean(0), atol=3e-3, rtol=0)


def test_two_builds_give_the_same_bytes_and_hold_no_path(source, tiny, tmp_path):
    one, other = (built(source, tiny, tmp_path / place).read_bytes() for place in ("one", "other"))
    assert one == other
    assert str(tmp_path).encode() not in one and str(tiny.parent).encode() not in one


def test_a_build_from_what_was_read_gives_the_same_bytes(source, tiny, tmp_path):
    once = built(source, tiny, tmp_path).read_bytes()
    assert built(source, tiny, tmp_path).read_bytes() == once


def test_the_loader_takes_the_encoder_that_it_is_told(source, tiny, tmp_path):
    folder = tmp_path / "bert"
    bert(folder)
    everything = base.build(
        source=source,
        model=folder,
        out=tmp_path / "world.safetensors",
        cache=tmp_path / "cache",
        sums=source / "sums.sha256",
        generators=MODELS,
        progress=False,
    )
    tensors, _ = alpaca_eval.read(built(source, tiny, tmp_path))
    sentences = alpaca_eval.load(everything, encoder="minilm")
    hidden = alpaca_eval.load(everything, encoder="tiny")
    assert torch.equal(hidden.embeddings, tensors["embeddings"].double())
    assert torch.equal(hidden.prompt_embeddings, tensors["prompt_embeddings"].double())
    assert torch.equal(hidden.traits, sentences.traits)
    assert torch.equal(hidden.prompt, sentences.prompt)
    with pytest.raises(FileNotFoundError, match="world.other"):
        alpaca_eval.load(everything, encoder="other")


def test_only_the_committed_reading_has_the_committed_name(tiny):
    committed = alpaca_eval.states_file(alpaca_eval.FILE, states.encoder(None))
    assert committed.is_file() and layers.table_file(None).is_file()
    for other in ({"layer": 30}, {"pooling": "end"}, {"kind": "bfloat16"}):
        assert alpaca_eval.states_file(alpaca_eval.FILE, states.encoder(None, **other)) != committed
    assert states.encoder(tiny, layer=1) == "tiny"
    assert layers.table_file(tiny) != layers.table_file(None)


def test_a_decoder_of_ones_own_leaves_the_data_sheet_as_it_is(source, tiny, tmp_path):
    begin, end = sheet.BEGIN.format("states"), sheet.END.format("states")
    readme = tmp_path / "README.md"
    readme.write_text(f"{begin} of the committed file {end}")
    built(source, tiny, tmp_path)
    assert readme.read_text() == f"{begin} of the committed file {end}"


def test_the_command_line_builds_what_it_is_told(source, tiny, tmp_path, capsys):
    out = tmp_path / "world.tiny.safetensors"
    options = ["--source", source, "--model", tiny, "--layer", 1, "--pooling", "last"]
    more = ["--out", out, "--cache", tmp_path, "--sums", source / "sums.sha256"]
    states.main([str(word) for word in (*options, *more, "--generators", *MODELS)])
    assert f"wrote {out}" in capsys.readouterr().out
    about = alpaca_eval.read(out)[1]
    assert (about["layer"], about["pooling"]) == (1, "last")


def test_the_command_line_says_in_one_line_what_is_wrong(source, tiny, tmp_path):
    options = ["--source", source, "--model", tiny, "--layer", "9", "--cache", tmp_path]
    more = ["--sums", source / "sums.sha256", "--generators", *MODELS]
    with pytest.raises(SystemExit, match="states: layer 9 is wanted of a model"):
        states.main([str(word) for word in (*options, *more)])


def test_a_pooling_that_is_unknown_is_refused_before_anything_is_read(source, tiny, tmp_path):
    with pytest.raises(ValueError, match="pooling is 'first'"):
        built(source, tiny, tmp_path, pooling="first")


def test_a_feature_that_never_changes_is_refused():
    with pytest.raises(ValueError, match="the same for every text"):
        states.standardised(torch.ones(3, 2))


# The committed files


def test_the_committed_states_are_of_every_response_and_measured_in_standard_deviations():
    tensors, about = alpaca_eval.read(alpaca_eval.states_file(alpaca_eval.FILE, "smollm2"))
    assert tensors["embeddings"].shape == (6440, 576)
    assert tensors["prompt_embeddings"].shape == (805, 576)
    for name in ("embeddings", "prompt_embeddings"):
        z = tensors[name].double()
        assert z.isfinite().all()
        assert z.mean(0).abs().max() < 1e-3 and (z.std(0, correction=0) - 1).abs().max() < 1e-3
    assert (about["layer"], about["pooling"]) == (states.LAYER, states.POOLING)
    assert about["kind"] == "float32"


def test_the_layer_is_the_one_that_the_table_puts_first():
    table = pd.read_csv(layers.FILE)
    best = table.loc[table["mean"].idxmax()]
    assert (best.layer, best.pooling) == (states.LAYER, states.POOLING)


def test_the_layers_were_compared_on_prompts_that_no_seed_tests():
    responses = alpaca_eval.load(encoder="minilm")
    compared = layers.always_seen(responses, layers.SEEDS)
    assert len(compared) > 100
    for seed in layers.SEEDS:
        study = draw_study(responses, 0.1, 5, 5, 3, 2, seed=seed, n_tests=2)
        assert torch.isin(compared, study.prompts.train).all()


def test_a_row_of_the_table_is_the_probes_answer(tiny):
    responses = alpaca_eval.load(encoder="minilm")
    rows = torch.isin(responses.prompt, torch.arange(20)).nonzero().flatten()
    traits = responses.known_traits[rows]
    line = layers.row("traits", 3, "mean", traits, responses, rows)
    assert line["mean"] > 0.99 and (line["encoder"], line["layer"]) == ("traits", 3)


def test_the_data_sheet_says_what_the_states_are():
    states_read = alpaca_eval.read(alpaca_eval.states_file(alpaca_eval.FILE, "smollm2"))
    text = (DATA / "README.md").read_text(encoding="utf-8")
    begin, end = sheet.BEGIN.format("states"), sheet.END.format("states")
    told = text.split(begin)[1].split(end)[0]
    for name, value in states_read[1].items():
        assert name in ("commit", "generators") or f"| {name} | {value} |" in told
    for name, tensor in states_read[0].items():
        assert f"| `{name}` | {' × '.join(map(str, tensor.shape))} |" in told
