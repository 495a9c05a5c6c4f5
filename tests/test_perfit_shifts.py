"""The file of shifts: rebuilt alike and resumed, every row its user's, checked when it is read."""

import os
from importlib.util import find_spec

import pytest
import torch
from texts import MODELS, PROMPTS, response, written
from tiny_models import llama
from worlds import random

from lore_core import datasets
from lore_core.datasets import alpaca_eval, shifts
from lore_core.datasets.build import shifts as build
from lore_core.datasets.build.alpaca_eval import write_checked
from lore_core.datasets.build.texts import ids
from lore_core.language_model import causal
from lore_core.perfit import observe
from lore_core.perfit.person import agreement
from lore_core.perfit.spectrum import collective, heaviest
from lore_core.tasks import Panel, rating
from lore_core.tasks.traits import DECODABLE
from lore_core.tools.paths import DATA

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
needs_hub = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")
committed = pytest.mark.skipif(not shifts.FILE.is_file(), reason="not built yet")
SMALL = Panel(6, 2, 2, shortest=3, longest=6, n_validation=1, n_test=3, distinct=0.9)
READING = {"n_queries": 1, "k": 2, "budget": 150}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return written(tmp_path_factory.mktemp("data") / "texts")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    llama(folder, initializer_range=0.3)
    return folder


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """Random traits and vectors of the tiny texts."""
    n, c, g = len(PROMPTS), len(MODELS), random(0)
    texts = [response(model, row) for row in range(n) for model in MODELS]
    tensors = {
        "embeddings": torch.randn(n * c, 4, generator=g),
        "prompt_embeddings": torch.randn(n, 4, generator=g),
        "prompt": torch.arange(n).repeat_interleave(c),
        "traits": torch.randn(n * c, len(DECODABLE), generator=g),
        "response_id": ids(texts),
    }
    path = tmp_path_factory.mktemp("numbers") / "numbers.safetensors"
    write_checked(path, tensors, {"traits": list(DECODABLE)})
    return path


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    monkeypatch.setattr(build, "READING", READING)


def built(source, tiny, numbers, place, **changes):
    given = {"model": tiny, "numbers": numbers, "out": place / "shifts.safetensors"}
    given |= {"cache": place / "cache", "sums": source / "sums.sha256", "generators": MODELS}
    given |= {"panel": SMALL, "layers": (0, "tail"), "progress": False}
    return build.build(source=source, **given | changes)


@needs_hub
def test_every_kind_is_read_as_it_says(source, tiny, numbers, tmp_path):
    found = shifts.load(built(source, tiny, numbers, tmp_path))
    net, tokenizer = causal.load(tiny)
    rated, taste = build.told(
        build.bring(source, "", source / "sums.sha256", MODELS, False), numbers, SMALL
    )
    ways = {
        "own": ("own", 0),
        "again": ("own", 1),
        "other": ("other", 0),
        "random": ("random", 0),
        "shuffled": ("shuffled", 0),
    }
    assert tuple(found.shift) == tuple(ways) == shifts.KINDS
    for kind, (profile, half) in ways.items():
        direct = observe.shifts(
            net,
            tokenizer,
            rated,
            [0, "tail"],
            **READING,
            profile=profile,
            half=half,
            progress=False,
        )
        for row, layer in enumerate(found.layers):
            stored = found.at(kind, layer)
            torch.testing.assert_close(stored, direct.value[:, row], rtol=1e-3, atol=1e-6)
        assert torch.equal(found.user, direct.user)
        if kind == "own":
            assert torch.equal(found.partner, direct.partner)
    task = rating.make(alpaca_eval.load(numbers, encoder="minilm"), 0, SMALL)
    assert found.user.tolist() == list(range(6))
    assert torch.equal(found.group, task.group[:6]) and torch.equal(found.length, task.lengths[:6])
    torch.testing.assert_close(found.taste, taste[:6], rtol=1e-6, atol=1e-7)
    found.check(net)


@needs_hub
def test_two_builds_give_the_same_bytes_and_a_broken_one_goes_on(
    source, tiny, numbers, tmp_path, monkeypatch
):
    one = built(source, tiny, numbers, tmp_path / "one").read_bytes()
    real, calls = build.shifts, []

    def stops(*a, **k):
        calls.append(k["profile"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*a, **k)

    with monkeypatch.context() as patch:
        patch.setattr(build, "shifts", stops)
        with pytest.raises(KeyboardInterrupt):
            built(source, tiny, numbers, tmp_path / "other")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "other/cache/shifts").iterdir()}
    assert kept and not (tmp_path / "other/shifts.safetensors").exists()
    other = built(source, tiny, numbers, tmp_path / "other").read_bytes()
    assert other == one
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    assert str(tmp_path).encode() not in one and str(tiny.parent).encode() not in one
    assert b"Considerable" not in one and PROMPTS[0].encode() not in one


@needs_hub
def test_queries_alone_are_read_once_for_all_that_share_them(source, tiny, numbers, tmp_path):
    built(source, tiny, numbers, tmp_path)
    # five kinds with profiles, and the queries of two halves without
    assert len(list((tmp_path / "cache/shifts").iterdir())) == 7


@needs_hub
def test_only_the_committed_reading_takes_the_committed_place():
    given = {"model": None, "generators": build.GENERATORS, "panel": shifts.PANEL}
    given |= {"layers": build.LAYERS}
    assert build.place(**given) == shifts.FILE
    others = {"model": "other", "generators": MODELS, "panel": SMALL, "layers": (0,)}
    for name, value in others.items():
        assert build.place(**given | {name: value}) != shifts.FILE


@needs_hub
def test_numbers_of_other_texts_are_refused(source, tiny, numbers, tmp_path):
    tensors, about = alpaca_eval.read(numbers)
    tensors["response_id"][3, 0] += 1
    write_checked(tmp_path / "n.safetensors", tensors, about)
    with pytest.raises(ValueError, match="n.safetensors holds the traits of other texts; build it"):
        built(source, tiny, tmp_path / "n.safetensors", tmp_path)


@needs_hub
def test_a_history_of_one_item_has_no_second_draw(source, tiny, numbers, tmp_path):
    lone = Panel(6, 2, 2, shortest=1, longest=6, n_validation=1, n_test=3, distinct=0.9)
    with pytest.raises(ValueError, match="the shortest history is 1, expected at least 2 items"):
        built(source, tiny, numbers, tmp_path, panel=lone)


@needs_hub
def test_the_command_ends_in_one_line_if_the_model_cannot_be_used(source, numbers, tmp_path):
    options = ["--source", str(source), "--sums", str(source / "sums.sha256")]
    options += ["--numbers", str(numbers), "--generators", *MODELS, "--model", str(tmp_path / "no")]
    with pytest.raises(SystemExit, match="shifts: "):
        build.main(options)


# Reading the file.


def small(place, **changes):
    """A file of three users by hand."""
    tensors = {kind: torch.ones(3, 2, 4).half() for kind in shifts.KINDS}
    tensors |= {name: torch.arange(3).int() for name in shifts.USERS}
    tensors |= {"taste": torch.ones(3, 2)} | changes
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    about = {"layers": [5, "tail"], "traits": ["a", "b"], "weights": "0" * 64}
    write_checked(place / "small.safetensors", kept, about)
    return place / "small.safetensors"


def test_a_kind_at_a_layer_is_a_table_of_users(tmp_path):
    own = torch.arange(24).reshape(3, 2, 4).half()
    found = shifts.load(small(tmp_path, own=own))
    assert torch.equal(found.at("own", "tail"), own[:, 1].float())
    assert torch.equal(found.at("own", 5), own[:, 0].float())
    with pytest.raises(ValueError, match="layer is 29, but these shifts were read at 5, tail"):
        found.at("own", 29)
    with pytest.raises(ValueError, match="kind is 'mine', expected one of own, again, other"):
        found.at("mine", 5)


@needs_hub
def test_shifts_of_another_model_are_refused(tiny, tmp_path):
    found = shifts.load(small(tmp_path))
    with pytest.raises(
        ValueError, match="the checksum 000000000000…, but this one's is .*make model"
    ):
        found.check(causal.load(tiny)[0])


def test_a_file_that_is_missing_broken_or_lacks_something_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checksum file .*none.sha256"):
        shifts.load(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="lacks .*'again'.*build it again with `make data`"):
        shifts.load(small(tmp_path, again=None))
    broken = torch.ones(3, 2, 4).half()
    broken[1, 1, 1] = torch.nan
    with pytest.raises(
        ValueError, match="other: 1 of 24 are NaN or infinite; build the file again"
    ):
        shifts.load(small(tmp_path, other=broken))
    path = small(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged or only half there.*`make data`"):
        shifts.load(path)


def test_it_is_no_data_set_of_responses():
    assert "shifts" not in datasets.known()


@committed
def test_the_committed_users_are_those_of_the_task():
    found = shifts.load()
    responses = alpaca_eval.load(encoder="minilm")
    task = rating.make(responses, shifts.SEED, shifts.PANEL)
    assert found.user.tolist() == list(range(200))
    assert torch.equal(found.group, task.group[:200])
    assert torch.equal(found.length, task.lengths[:200])
    taste = rating.tastes_of(responses, shifts.SEED, shifts.PANEL)[:200]
    torch.testing.assert_close(found.taste, taste, rtol=1e-6, atol=1e-7)


@committed
def test_the_committed_rows_agree_by_their_queries_and_items_but_hardly_by_their_person():
    found = shifts.load()
    sheet = (DATA / "README.md").read_text(encoding="utf-8")
    rows = [[], [], []]
    for layer in found.layers:
        own, again, other = (found.at(kind, layer) for kind in ("own", "again", "other"))
        assert collective(own).share > 0.7
        pairs = (own, other), (own[found.partner], other), (own, again)
        for row, (one, two) in zip(rows, pairs, strict=True):
            row.append(float(agreement(one, two).same.mean()))
    assert min(rows[0]) > 0.2 and min(rows[1]) > 0.1 and max(map(abs, rows[2])) < 0.05
    for row in rows:
        assert f"| {' | '.join(f'{abs(cosine):.2f}' for cosine in row)} |" in sheet


@committed
def test_one_feature_moves_the_lower_layers():
    found = shifts.load()
    heavy = [heaviest(found.at("own", layer), centred=True) for layer in found.layers]
    assert [feature for feature, _ in heavy[:3]] == [507] * 3
    assert [f"{share:.2f}" for _, share in heavy[:3]] == ["0.93", "0.27", "0.15"]
    assert max(share for _, share in heavy[3:]) < 0.025


@committed
def test_the_data_sheet_names_every_tensor_with_its_shape():
    tensors, about = alpaca_eval.read(shifts.FILE)
    text = (DATA / "README.md").read_text(encoding="utf-8")
    for name, tensor in tensors.items():
        assert f"| `{name}` | {' × '.join(map(str, tensor.shape))} |" in text
    assert tuple(about["layers"]) == build.LAYERS
    assert shifts.FILE.stat().st_size < 7e6
