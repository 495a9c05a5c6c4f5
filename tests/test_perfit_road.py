"""PerFit on a whole language model and its own files: from files to files, user by user."""

import json
import os
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tiny_models import llama

from lore_core.language_model import causal
from lore_core.language_model.sampling import end_tokens
from lore_core.perfit import kept, kept_users, road
from lore_core.perfit.__main__ import main
from lore_core.perfit.fit import adapt
from lore_core.perfit.plan import Plan, paced
from lore_core.perfit.presets import PRESETS
from lore_core.perfit.recipe import PAPER
from lore_core.tasks.lamp import LABELS, OTHERS, TOP
from lore_core.tasks.lamp_files import read_outputs
from lore_core.tasks.lamp_scores import scores
from lore_core.tasks.lamp_texts import texts_of
from lore_core.tools import extra

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
pytestmark = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")
FILES = Path(__file__).parent / "files" / "news_headline"
USERS = ["ann", "bob", "cyd", "dan"]
QUICK = paced(PAPER, learning_rate=0.03, batch=2)  # batches are drawn
KNOWN = "generate headline for the following article : why do how to in and of is it".split()
CHANGES = {"shared_rank": 3, "user_rank": 2, "layers": (1, 2), "positions": "f3+l2", "epochs": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    found = tmp_path_factory.mktemp("road")
    sizes = {"hidden_size": 32, "intermediate_size": 48, "initializer_range": 0.2}
    llama(found / "model", layers=4, words=["?", ",", *KNOWN], **sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(road, "ANSWER", 8)
        yield found


def plan(place, out="out", **changes):
    given = {"model": place / "model", "lamp": FILES, "task": "news_headline", "base": QUICK}
    given |= {"out": place / out, "device": "cpu", "changes": CHANGES}
    return Plan(**given | changes)


@pytest.fixture(scope="module")
def lines(place):
    """What was said on the first run."""
    found = []
    road.run(plan(place), found.append)
    return found


def content(folder):
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def loaded(place, out="out"):
    """The model with both interventions, and its tokenizer."""
    model, tokenizer = causal.load(place / "model", device="cpu")
    shifted = kept.load(model, place / out / "stage1" / road.SHARED)
    users = [place / out / "stage2" / f"user_{user}.safetensors" for user in range(4)]
    kept_users.load_users(shifted, users)
    return shifted, tokenizer


def copied(folder, leave_out=()):
    """The three files, or some of them, elsewhere."""
    folder.mkdir()
    for name in {OTHERS, TOP, LABELS} - set(leave_out):
        shutil.copy(FILES / name, folder)
    return folder


# From files to files


def test_the_loss_falls_in_both_stages(place, lines):
    shared = json.loads((place / "out" / "stage1" / "losses.json").read_text())
    personal = json.loads((place / "out" / "stage2" / "losses.json").read_text())
    assert len(shared) == 2 and shared[-1] < shared[0]
    assert list(personal) == USERS
    assert all(len(curve) == 2 and curve[-1] < curve[0] for curve in personal.values())
    told = [line.split(":")[0] for line in lines[2:7]]
    assert told[0] == "stage1, everybody"
    assert told[1:] == [f"stage2, user {i + 1} of 4, {name}" for i, name in enumerate(USERS)]


@pytest.mark.parametrize("positions", ["f3", "l2"])
def test_either_end_of_the_prompt_may_be_moved_alone(place, lines, positions):
    """Both ends are moved in all other tests."""
    out = place / positions
    road.run(plan(place, positions, changes=CHANGES | {"positions": positions}), [].append)
    curve = json.loads((out / "stage1" / "losses.json").read_text())
    assert curve[-1] < curve[0]
    shared = Path("stage1") / road.SHARED
    assert (out / shared).read_bytes() != (place / "out" / shared).read_bytes()


def test_answers_have_lamp_s_shape_and_are_scored_as_lamp_scores(place, lines):
    given = json.loads((place / "out" / "predictions.json").read_text())
    assert given["task"] == "LaMP_4"
    assert [set(gold) for gold in given["golds"]] == 4 * [{"id", "output"}]
    assert [gold["id"] for gold in given["golds"]] == ["500", "501", "502", "503"]
    wanted = read_outputs(FILES / LABELS)
    expected = scores("LaMP_4", {gold["id"]: gold["output"] for gold in given["golds"]}, wanted)
    assert json.loads((place / "out" / "scores.json").read_text()) == expected
    assert json.loads((place / "out" / "users.json").read_text()) == USERS


def test_a_user_is_answered_with_the_own_intervention(place, lines):
    """The answers of the road are those of each user alone, token by token and without a cache."""
    shifted, tokenizer = loaded(place)
    given, model = read_outputs(place / "out" / "predictions.json"), shifted.net
    ends, found = end_tokens(model, tokenizer).tolist(), []
    for row, question in enumerate(plan(place).users.questions):
        for user in (row, (row + 1) % 4):
            ids, said = torch.tensor(causal.heads(tokenizer, [question.input])), []
            with shifted.attached() as reading:
                reading.user = torch.tensor([user])
                reading.prompt = torch.ones_like(ids).bool()
                while len(said) < road.ANSWER and not {*said[-1:]} & {*ends}:
                    said.append(int(model(ids, use_cache=False).logits[0, -1].argmax()))
                    ids = torch.cat([ids, torch.tensor([said[-1:]])], 1)
            said = [token for token in said if token not in ends]
            found.append(tokenizer.decode(said, skip_special_tokens=True).strip())
        assert given[question.id] == found[-2]
    assert found[::2] != found[1::2]  # another user is answered otherwise


def test_users_are_what_adapt_makes_of_all_of_them_together(place, lines):
    shifted, tokenizer = loaded(place)
    texts = texts_of(plan(place), shifted.net, tokenizer, plan(place).users.questions, print)
    together = adapt(shifted, texts, 0)
    for name, nudge in together.nudges.items():
        for key, weight in nudge.personal.state_dict().items():
            torch.testing.assert_close(shifted.nudges[name].personal.state_dict()[key], weight)


def test_stage_1_learns_from_the_others_alone(place, lines):
    """Other test users leave everybody's intervention as it is."""
    files = copied(place / "other users")
    asked = json.loads((files / TOP).read_text())
    for record in asked:
        record["profile"] = record["profile"][:1]
    (files / TOP).write_text(json.dumps(asked))
    road.run(plan(place, "others", lamp=files), [].append)
    one, other = content(place / "others"), content(place / "out")
    assert one[f"stage1/{road.SHARED}"] == other[f"stage1/{road.SHARED}"]
    assert one["stage2/user_0.safetensors"] != other["stage2/user_0.safetensors"]


def test_a_user_without_items_gets_what_all_share(place):
    files = copied(place / "silent")
    asked = json.loads((files / TOP).read_text())
    asked[1]["profile"] = []
    (files / TOP).write_text(json.dumps(asked))
    said = []
    road.run(plan(place, "silent out", lamp=files), said.append)
    assert "stage2, user 2 of 4, bob: 0 items" in said
    shifted, _ = loaded(place, "silent out")
    for nudge in shifted.nudges.values():
        x = torch.eye(32)
        torch.testing.assert_close(nudge(x, torch.ones(32, dtype=torch.long)), nudge.shared(x))
        assert not torch.allclose(nudge(x, torch.zeros(32, dtype=torch.long)), nudge.shared(x))


# Again, and from where it was stopped


def test_what_is_there_is_not_made_again(place, lines):
    before = content(place / "out")
    (place / "out" / "predictions.json").unlink()
    again = []
    road.run(plan(place), again.append)
    assert not any(line.startswith("stage") for line in again)
    assert content(place / "out") == before


@pytest.mark.parametrize("last", [0, 2, 4])
def test_a_run_that_was_stopped_goes_on_by_user_and_ends_the_same(place, lines, last, monkeypatch):
    out, save = place / f"stopped {last}", kept_users.save_user
    saved = []

    def stopped(shifted, user, path, stands_on):
        if len(saved) == last:
            raise KeyboardInterrupt
        saved.append(save(shifted, user, path, stands_on))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(kept_users, "save_user", stopped)
        patch.setattr(road, "answered", lambda *_: stopped(None, 0, "", ""))
        road.run(plan(place, out.name), [].append)
    assert len(list(out.glob("stage2/user_*"))) == last
    said = []
    road.run(plan(place, out.name), said.append)
    assert not any("stage1" in line for line in said)
    assert len([line for line in said if line.startswith("stage2")]) == 4 - last
    assert content(out) == content(place / "out")


# What is refused, and what is said


def test_the_preset_is_scaled_to_the_model_unless_the_published_one_is_asked_for(place):
    scaled, tiny = plan(place, changes={}), (4, 32)
    assert scaled.chosen == PRESETS["news_headline"].scaled(*tiny)
    assert scaled.recipe.layers == (2,) and scaled.recipe.shared.rank == 1
    assert scaled.recipe.shared.learning_rate == 0.03
    assert "the scaled preset of news_headline; the model has 4 blocks" in scaled.in_words
    with pytest.raises(ValueError, match="layer 16 is to be moved, but the model has 4 blocks"):
        _ = plan(place, changes={}, preset="published").chosen
    changed = plan(place, changes={"layers": (3,)}, preset="published")
    assert changed.chosen == replace(PRESETS["news_headline"], layers=(3,))
    assert "published preset of news_headline, changed;" in changed.in_words


@pytest.mark.parametrize("missing", [[OTHERS], [TOP], [LABELS], [OTHERS, TOP, LABELS]])
def test_missing_files_are_named_beside_all_three(place, tmp_path, missing):
    files = copied(tmp_path / "files", missing)
    expected = f"lacks {', '.join(missing)}; expected the three files {OTHERS}, {TOP} and {LABELS}"
    with pytest.raises(FileNotFoundError, match=expected):
        road.run(plan(place, "none", lamp=files), [].append)
    assert not (place / "none").exists()


REFUSED = {
    "a layer too deep": ({"changes": {"layers": (4,)}}, "layer 4 is to be moved, but the model h"),
    "a rank above d": ({"changes": {"shared_rank": 33}}, "rank is 33, but a state has 32 numbers"),
    "a user's rank above d": ({"changes": {"user_rank": 40}}, "rank is 40, but a state has 32"),
    "no user": ({"limit": 0}, "limit is 0"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_a_road_that_leads_nowhere_is_refused_at_its_start(place, change, message):
    with pytest.raises(ValueError, match=message):
        road.run(plan(place, "none", **change), [].append)
    assert not (place / "none").exists()


def test_a_folder_made_in_another_way_is_refused(place, lines):
    changed = {"recipe": {"changes": CHANGES | {"epochs": 1}}, "seed": {"seed": 1}}
    for name, change in changed.items():
        with pytest.raises(ValueError, match=f"was made in another way; what differs: {name} "):
            road.run(plan(place, **change), [].append)


def test_profiles_without_an_item_are_refused(place, tmp_path):
    files = copied(tmp_path / "files")
    records = json.loads((files / OTHERS).read_text())
    (files / OTHERS).write_text(json.dumps([record | {"profile": []} for record in records]))
    with pytest.raises(ValueError, match="the profiles of 3 users are empty"):
        road.run(plan(place, "empty", lamp=files), [].append)


def test_what_is_cut_is_said(place):
    said = []
    road.run(plan(place, "cut", tokens=40, changes=CHANGES | {"epochs": 1}), said.append)
    model, tokenizer = causal.load(place / "model", device="cpu")
    questions = plan(place).users.questions
    lengths = [len(tokenizer.tokenize(one.input)) for one in questions]
    [told] = [line for line in said if "questions are too long" in line]
    n, lost = int(told.split()[0]), int(told.split(": ")[1].split()[0])
    assert n == sum(length > 40 for length in lengths) > 0
    assert lost >= sum(max(0, length - 40) for length in lengths)
    assert len([line for line in said if "items are too long" in line]) == 2


def test_a_missing_extra_is_named_before_anything_is_done(place, monkeypatch):
    monkeypatch.setattr(extra, "import_module", lambda name: (_ for _ in ()).throw(ImportError()))
    with pytest.raises(ImportError, match=r"lore-course\[hub\]"):
        road.run(plan(place, "none"), [].append)
    assert not (place / "none").exists()


# The command line


def test_the_command_takes_the_flags_of_the_published_code(place, capsys):
    words = f"--model {place / 'model'} --data {FILES} --task news_headline --device cpu"
    flags = "--low_rank_dimension 3 --user_low_rank_dimension 2 --intervene_layer 1;3 --seed 2"
    more = f"--positions f2+l1 --max_epoch 1 --batch_size 2 --out {place / 'command'}"
    few = "--limit-users 2 --dtype bfloat16"
    main(f"{words} {flags} {more} {few}".split())
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "2 users, 2 questions"
    assert told[1].startswith(
        "low_rank_dimension 3, user_low_rank_dimension 2, intervene_layer 1;3, positions f2+l1, "
        "max_epoch 1 (the scaled preset of news_headline, changed; the model has 4 blocks"
    )
    made = json.loads((place / "command" / "settings.json").read_text())
    recipe = made["recipe"]
    assert recipe["layers"] == [1, 3] and recipe["positions"] == "f2+l1"
    for stage, rank in (("shared", 3), ("personal", 2)):
        found = {name: recipe[stage][name] for name in ("rank", "passes", "batch", "clip")}
        assert found == {"rank": rank, "passes": 1, "batch": 2, "clip": 0.3}
    assert (made["seed"], made["kind"]) == (2, "bfloat16")
    before = content(place / "command")
    main(f"{words} {flags} {more} {few}".split())
    assert "stage" not in capsys.readouterr().out and content(place / "command") == before
    with pytest.raises(SystemExit, match="perfit: .* what differs: recipe"):
        main(f"{words} {flags} {more} {few} --learning_rate 0.1".split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--model m --task news_headline", "perfit: --data, --out missing"),
        ("--intervene_layer 14,15", "perfit: layers are '14,15', expected .* such as 14;15;16"),
        ("--positions all", "perfit: positions is 'all', expected fN"),
        ("--data nowhere", f"perfit: nowhere lacks {OTHERS}, {TOP}, {LABELS}; expected"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(place, tmp_path, words, message):
    start = f"--model {place / 'model'} --task news_headline"
    if "missing" not in message:
        words = f"{start} --out {tmp_path / 'none'} --data {FILES} {words}"
    with pytest.raises(SystemExit, match=message):
        main(words.split())
    assert not (tmp_path / "none").exists()
