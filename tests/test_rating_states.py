"""The file of rating states: every row where it belongs, rebuilt alike, checked when it is read."""

import os
from importlib.util import find_spec

import pytest
import torch
from texts import MODELS, PROMPTS, response, written
from tiny_models import bert, llama

from lore_core import datasets
from lore_core.datasets import alpaca_eval, rating_states
from lore_core.datasets.build import tail as build
from lore_core.datasets.build.alpaca_eval import write_checked
from lore_core.language_model import causal, rating
from lore_core.tools.paths import DATA

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
needs_hub = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")
committed = pytest.mark.skipif(not rating_states.FILE.is_file(), reason="not built yet")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return written(tmp_path_factory.mktemp("data") / "texts")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    llama(folder, initializer_range=0.3)
    return folder


@pytest.fixture
def letters(monkeypatch):
    """The tiny model's tokenizer knows no digits."""
    monkeypatch.setitem(rating.LABELS, "digits", tuple("vwxyz"))


def built(source, model, place):
    return build.build(
        source=source,
        model=model,
        out=place / "states.safetensors",
        cache=place / "cache",
        sums=source / "sums.sha256",
        generators=MODELS,
        progress=False,
    )


@needs_hub
def test_from_its_row_a_response_gets_the_logits_of_the_whole_model(
    source, tiny, tmp_path, letters
):
    found = rating_states.load(built(source, tiny, tmp_path))
    assert found.state.shape == (36, 16) and found.state.dtype == torch.float32
    assert found.prompt.tolist() == [row // 3 for row in range(36)]
    net, tokenizer = causal.load(tiny)
    tokens = rating.label_tokens(tokenizer, "digits")
    for row in (0, 7, 35):
        texts = [PROMPTS[row // 3]], [response(MODELS[row % 3], row // 3)]
        with torch.no_grad():
            whole = net(torch.tensor(rating.questions(tokenizer, *texts))).logits[0, -1, tokens]
        torch.testing.assert_close(found.tail("digits")(found.state[row]), whole, rtol=0, atol=0.02)


@needs_hub
def test_two_builds_give_the_same_bytes_and_hold_no_path(source, tiny, tmp_path, letters):
    one, other = (built(source, tiny, tmp_path / place).read_bytes() for place in ("one", "other"))
    assert one == other == built(source, tiny, tmp_path / "one").read_bytes()
    assert str(tmp_path).encode() not in one and str(tiny.parent).encode() not in one
    assert b"Considerable" not in one and PROMPTS[0].encode() not in one


@needs_hub
def test_only_the_committed_reading_takes_the_committed_place():
    assert build.place(None, build.GENERATORS, rating_states.FILE) == rating_states.FILE
    assert build.place("other", build.GENERATORS, rating_states.FILE) != rating_states.FILE
    assert build.place(None, build.GENERATORS[:3], rating_states.FILE) != rating_states.FILE


@needs_hub
def test_the_command_ends_in_one_line_if_the_model_cannot_be_used(source, tmp_path):
    bert(tmp_path / "bert")
    options = ["--source", str(source), "--sums", str(source / "sums.sha256"), "--generators"]
    with pytest.raises(SystemExit, match="tail: .*chat template"):
        build.main([*options, *MODELS, "--model", str(tmp_path / "bert")])


def small(place, **changes):
    """A file of three states by hand."""
    weights = {"norm": (2,), "gate_proj": (4, 2), "up_proj": (4, 2), "down_proj": (2, 4)}
    shapes = weights | {"final_norm": (2,), "head_digits": (5, 2), "head_letters": (6, 2)}
    tensors = {name: torch.ones(shape) for name, shape in shapes.items()}
    tensors |= {"state": torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])} | changes
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    write_checked(place / "small.safetensors", kept, {"generators": ["a"], "eps": 1e-5})
    return place / "small.safetensors"


def test_each_tail_is_a_copy_of_its_own(tmp_path):
    states = rating_states.load(small(tmp_path))
    first = states.tail("letters")
    first.gate_proj.weight.zero_()
    first.head.weight.zero_()
    fresh = states.tail("letters")
    assert (fresh.gate_proj.weight == 1).all() and fresh(states.state).shape == (3, 6)
    assert (fresh.head.weight == 1).all() and not fresh.gate_proj.weight.requires_grad


def test_other_labels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="labels is 'tags', expected one of digits, letters"):
        rating_states.load(small(tmp_path)).tail("tags")


def test_a_file_that_is_missing_broken_or_lacks_something_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checksum file .*none.sha256"):
        rating_states.load(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="lacks .*'up_proj'.*build it again with `make data`"):
        rating_states.load(small(tmp_path, up_proj=None))
    path = small(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged or only half there.*`make data`"):
        rating_states.load(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="is missing; run `git checkout"):
        rating_states.load(path)


def test_it_is_no_data_set_of_responses():
    assert "rating_states" not in datasets.known()
    with pytest.raises(ValueError, match="'rating_states' is unknown"):
        datasets.load("rating_states")


@committed
def test_the_committed_rows_are_those_of_the_other_files():
    states, others = rating_states.load(), alpaca_eval.load()
    assert states.state.shape == (6440, 576) and torch.equal(states.prompt, others.prompt)
    brevity = others.traits[:, others.trait_names.index("brevity")]
    x = torch.cat([states.state.double(), torch.ones(6440, 1).double()], dim=1)
    learn = states.prompt < 500
    solved = torch.linalg.lstsq(x[learn], brevity[learn, None]).solution
    error = (x[~learn] @ solved)[:, 0] - brevity[~learn]
    assert error.var() < 0.6 * brevity[~learn].var(), "rows out of order would tell nothing"


@committed
def test_the_data_sheet_names_every_tensor_with_its_shape():
    tensors, about = alpaca_eval.read(rating_states.FILE)
    text = (DATA / "README.md").read_text(encoding="utf-8")
    for name, tensor in tensors.items():
        assert f"| `{name}` | {' × '.join(map(str, tensor.shape))} |" in text
        assert tensor.dtype == torch.float16
    assert (about["block"], about["instruction_tokens"], about["response_tokens"]) == (29, 48, 112)
    assert rating_states.FILE.stat().st_size < 13e6


@committed
def test_the_committed_tail_gives_finite_logits_that_differ_between_texts():
    states = rating_states.load()
    for labels, n in (("digits", 5), ("letters", 6)):
        logits = states.tail(labels)(states.state)
        assert logits.shape == (6440, n) and logits.isfinite().all()
        assert (logits.std(0) > 0.1).all()
