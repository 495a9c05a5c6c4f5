"""PROPER on a whole language model and LaMP's files: from files to files, stage by stage."""

import json
import os
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from lamp_world import DIGITS, GROUP, USERS, files
from tiny_models import llama

from lore_core.language_model import causal
from lore_core.language_model.chat import Turn
from lore_core.proper import adapters, kept, road
from lore_core.proper.__main__ import main
from lore_core.proper.plan import OURS, RECIPES, Plan
from lore_core.proper.recipe import PAPER, Stage
from lore_core.tasks.lamp_files import read_outputs
from lore_core.tasks.lamp_scores import scores
from lore_core.tasks.texts import Texts
from lore_core.tools import extra

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
pytestmark = pytest.mark.skipif(
    not (find_spec("transformers") and find_spec("peft")), reason="needs the extra `hub`"
)
QUICK = replace(
    OURS,
    population=Stage(rank=4, alpha=8, learning_rate=3e-3, passes=3, batch=8, warm_up=2),
    group=Stage(learning_rate=3e-3, passes=2, batch=8, warm_up=2),
    person=replace(OURS.person, passes=4),
    n_experts=2,
    rounds=2,
)
STAGES = {"stage1", "stage2", "stage3"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    found = tmp_path_factory.mktemp("road")
    sizes = {"hidden_size": 32, "intermediate_size": 48, "initializer_range": 0.2}
    llama(found / "model", layers=2, words=[*DIGITS, ":", "?"], **sizes)
    files(found / "lamp")
    return found


def plan(place, out="out", **changes):
    given = {"model": place / "model", "lamp": place / "lamp", "task": "LaMP_3", "recipe": QUICK}
    return Plan(**given | {"out": place / out, "device": "cpu", "tokens": 64} | changes)


@pytest.fixture(scope="module")
def lines(place):
    """What was said on the first run."""
    found = []
    road.run(plan(place), found.append)
    return found


def content(folder, pattern="**/*"):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }


# From files to files


def test_the_loss_falls_in_each_stage(place, lines):
    assert STAGES <= {path.name for path in (place / "out").iterdir()}
    for stage in STAGES:
        curve = json.loads((place / "out" / stage / "losses.json").read_text())
        assert curve[-1] < curve[0], stage
    assert [line.split(",")[0] for line in lines[1:4]] == ["stage1", "stage2", "stage3"]


def test_answers_have_lamp_s_shape_and_are_scored_as_lamp_scores(place, lines):
    given = json.loads((place / "out" / "predictions.json").read_text())
    assert given["task"] == "LaMP_3"
    assert [set(gold) for gold in given["golds"]] == 4 * [{"id", "output"}]
    assert [gold["id"] for gold in given["golds"]] == ["q0", "q1", "q2", "q3"]
    wanted = read_outputs(place / "lamp" / "dev_outputs.json")
    expected = scores("LaMP_3", {gold["id"]: gold["output"] for gold in given["golds"]}, wanted)
    assert json.loads((place / "out" / "scores.json").read_text()) == expected
    assert json.loads((place / "out" / "users.json").read_text()) == list(USERS)


def test_users_of_one_group_share_an_expert(place, lines):
    model, _ = causal.load(place / "out" / "stage1", device="cpu")
    tuned = kept.latest(place / "out", model, QUICK, 4)
    first = tuned.shares.argmax(1)
    assert first.tolist() in (list(GROUP), [1 - group for group in GROUP])


def test_what_is_there_is_not_made_again(place, lines):
    before = content(place / "out")
    (place / "out" / "predictions.json").unlink()
    again = []
    road.run(plan(place), again.append)
    assert not any(line.startswith("stage") for line in again)
    assert content(place / "out") == before


@pytest.mark.parametrize("last", ["population", "group", "person"])
def test_a_run_that_was_stopped_goes_on_and_ends_the_same(place, lines, last, monkeypatch):
    out = place / f"stopped {last}"

    def stopped(at, tuned, *more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if last == "person":
            patch.setattr(road, "answered", stopped)
        elif last == "group":
            patch.setattr(kept.user_adapters, "export_peft", stopped)
        else:
            patch.setattr(kept, "write_stage", stopped)
        road.run(plan(place, out.name), [].append)
    assert not list(out.glob(".*")) and not (out / "predictions.json").exists()
    said = []
    road.run(plan(place, out.name), said.append)
    assert kept.FOLDERS[last] not in " ".join(said)
    assert content(out) == content(place / "out")


def test_the_published_recipe_ends_with_its_second_router_and_is_read_again(place):
    short = {name: replace(getattr(PAPER, name), passes=1, batch=8) for name in PAPER.stages}
    recipe = replace(PAPER, n_experts=3, **short)
    found = plan(place, "paper", recipe=recipe)
    road.run(found, [].append)
    before = content(place / "paper")
    (place / "paper" / "predictions.json").unlink()
    road.run(found, [].append)
    assert content(place / "paper") == before
    model, _ = causal.load(place / "paper" / "stage1", device="cpu")
    tuned = kept.latest(place / "paper", model, recipe, 4)
    assert {type(layer.router).__name__ for layer in tuned.layers.values()} == {"LoraRouter"}
    assert {len(layer.personal) for layer in tuned.layers.values()} == {4}


def test_rates_of_sgd_are_for_one_token_of_an_answer():
    """A loss of k tokens has k times the gradient; Adam's steps do not depend on it."""
    texts = Texts((Turn([1, 2], 1, 2), Turn([1, 2, 3, 4], 1, 4)), torch.tensor([0, 0]), 1)
    found = road.per_token(OURS, texts)
    assert found.person == replace(OURS.person, learning_rate=OURS.person.learning_rate / 2)
    assert replace(found, person=OURS.person) == OURS


# Users, as others read them


@pytest.mark.parametrize("user", range(4))
def test_peft_reads_each_user_as_the_personal_part_alone(place, lines, user):
    import peft

    out, ids = place / "out", torch.tensor([[2, 5, 6, 7, 3]])
    model, _ = causal.load(out / "stage1", device="cpu")
    plain = model(ids).logits
    tuned = kept.latest(out, model, QUICK, 4)
    for layer in tuned.layers.values():
        layer.experts = layer.router = None
    tuned.injected.who.user = torch.tensor([user])
    expected = model(ids).logits
    base, _ = causal.load(out / "stage1", device="cpu")
    loaded = peft.PeftModel.from_pretrained(base, out / "stage3" / "peft" / f"user_{user}")
    torch.testing.assert_close(loaded(ids).logits, expected, rtol=1e-5, atol=1e-5)
    assert (expected - plain).abs().max() > 1e-4


def test_adapters_are_refused_by_the_model_without_stage_1(place, lines):
    model, _ = causal.load(place / "model", device="cpu")
    with pytest.raises(ValueError, match="is an adapter of another model"):
        adapters.load(model, place / "out" / "stage2" / kept.SHARED)


def test_users_lie_in_one_file_each(place, lines):
    found = sorted(path.name for path in (place / "out" / "stage3" / "users").iterdir())
    assert found == [f"user_{user}.safetensors" for user in range(4)]


def test_a_user_is_answered_with_the_own_adapter(place, lines):
    """The answers of the road are those of each user alone."""
    model, tokenizer = causal.load(place / "out" / "stage1", device="cpu")
    tuned = kept.latest(place / "out", model, QUICK, 4)
    given = read_outputs(place / "out" / "predictions.json")
    for user, question in enumerate(plan(place).users.questions):
        ids = torch.tensor(causal.heads(tokenizer, [question.input]))
        tuned.injected.who.user = torch.tensor([user])
        said = []
        while len(said) < road.ANSWER:
            token = int(model(ids).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            said.append(token)
            ids = torch.cat([ids, torch.tensor([[token]])], 1)
        assert given[question.id] == tokenizer.decode(said, skip_special_tokens=True).strip()


# What is refused


CHANGED = {"seed": {"seed": 1}, "recipe": {"recipe": replace(QUICK, rounds=3)}}


@pytest.mark.parametrize(("name", "change"), CHANGED.items(), ids=CHANGED)
def test_a_folder_made_in_another_way_is_refused(place, lines, name, change):
    with pytest.raises(ValueError, match=f"was made in another way; what differs: {name} "):
        road.run(plan(place, **change), [].append)


def test_a_folder_of_another_model_or_of_other_users_is_refused(place, lines):
    files(place / "longer", items=11)
    with pytest.raises(ValueError, match="what differs: users "):
        road.run(plan(place, lamp=place / "longer"), [].append)
    with pytest.raises(ValueError, match="what differs: model "):
        road.run(plan(place, model=place / "out" / "stage1"), [].append)


def test_a_missing_extra_is_named_before_anything_is_done(place, monkeypatch):
    monkeypatch.setattr(extra, "import_module", lambda name: (_ for _ in ()).throw(ImportError()))
    with pytest.raises(ImportError, match=r"lore-course\[hub\]"):
        road.run(plan(place, "none"), [].append)
    assert not (place / "none").exists()


REFUSED = {
    "an informed start": ({"recipe": replace(QUICK, start="informed")}, 'take start="random"'),
    "true groups": ({"recipe": replace(QUICK, routes="given")}, "nobody knows the groups"),
    "more groups than users": ({"recipe": replace(QUICK, n_experts=5)}, "4 users for 5 groups"),
    "an unknown part": ({"part": "all"}, "part is 'all'"),
    "half precision": ({"kind": "float16"}, "kind is 'float16'"),
    "no user": ({"limit": 0}, "limit is 0"),
    "no token": ({"tokens": 0}, "tokens is 0"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_a_road_that_leads_nowhere_is_refused_at_its_start(place, change, message):
    with pytest.raises(ValueError, match=message):
        road.run(plan(place, "none", **change), [].append)
    assert not (place / "none").exists()


# The command line


def test_the_command_does_the_same_with_two_users_in_bfloat16(place, monkeypatch, capsys):
    monkeypatch.setitem(RECIPES, "ours", QUICK)
    words = f"--model {place / 'model'} --lamp {place / 'lamp'} --task LaMP_3"
    more = f"--out {place / 'two'} --limit-users 2 --tokens 64 --device cpu --kind bfloat16"
    main(f"{words} {more}".split())
    assert json.loads((place / "two" / "users.json").read_text()) == list(USERS[:2])
    assert capsys.readouterr().out.startswith("2 users, 2 questions")
    before = content(place / "two")
    main(f"{words} {more}".split())
    assert "stage" not in capsys.readouterr().out and content(place / "two") == before
    with pytest.raises(SystemExit, match="proper: .* what differs: seed"):
        main(f"{words} {more} --seed 1".split())


def test_the_command_says_what_is_missing_in_one_line():
    with pytest.raises(SystemExit, match="proper: --lamp, --out missing"):
        main("--model m --task LaMP_3".split())
