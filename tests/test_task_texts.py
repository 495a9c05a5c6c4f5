"""Texts that a language model learns from, LaMP's users who wrote them, and greedy answers."""

import json
import os
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from lamp_world import ASK, DIGITS, USERS, files
from tiny_models import llama

from lore_core.language_model import causal, greedy
from lore_core.language_model.chat import Turn
from lore_core.proper.fit import fit
from lore_core.proper.plan import OURS
from lore_core.proper.recipe import PAPER, Stage
from lore_core.tasks.lamp_users import read_either, written
from lore_core.tasks.texts import Texts

os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's library reads it when it is first imported
HUB = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")
ASKED = ["one", "two three four", "five six seven eight nine", "a b"]
ANSWERS = ["2", "ten ten ten", "5", "one"]
USER = torch.tensor([0, 1, 1, 0])


@pytest.fixture(scope="module")
def speaking(tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / "llama"
    sizes = {"hidden_size": 32, "intermediate_size": 48, "initializer_range": 0.3}
    llama(place, layers=2, words=DIGITS, **sizes)
    return causal.load(place, device="cpu")


@pytest.fixture(scope="module")
def texts(speaking):
    return Texts.of(*speaking, ASKED, ANSWERS, USER, n_users=2)


def bare(model, items):
    """The model with layers that still have no part."""
    return fit(model, items, OURS.up_to(None))


# Texts


@HUB
def test_a_loss_is_the_sum_over_the_answer_s_tokens(speaking, texts):
    model, tokenizer = speaking
    found = texts.losses(model, torch.arange(4))
    for chat, answer, loss in zip(texts.chats, ANSWERS, found, strict=True):
        assert tokenizer.decode(chat.ids[chat.start : chat.stop]) == f"{answer} [SEP]"
        logs = model(torch.tensor([chat.ids])).logits[0].log_softmax(-1)
        tokens = [logs[place - 1, chat.ids[place]] for place in range(chat.start, chat.stop)]
        torch.testing.assert_close(loss, -torch.stack(tokens).sum(), rtol=1e-5, atol=1e-5)


@HUB
def test_padding_does_not_count_in_what_a_layer_reads_of_a_text(speaking, texts):
    model, _ = speaking
    together, alone = bare(model, texts), bare(model, replace(texts, budget=1))
    found = together.inputs(texts)
    expected = alone.inputs(replace(texts, budget=1))
    assert replace(texts, budget=1).together == 1 and texts.together >= 4
    assert len(found) == 6
    for name, inputs in found.items():
        torch.testing.assert_close(inputs, expected[name], rtol=1e-4, atol=1e-5)
    [name, *_] = found
    assert list(together.inputs(texts, only=name)) == [name]


@HUB
def test_a_step_is_the_same_however_much_is_in_memory(speaking, texts):
    """Gradients add up, and the penalty on routes counts once, without the padding."""
    step = Stage(rank=2, learning_rate=0.1, passes=2, batch=4, optimizer="sgd", clip=None)
    recipe = replace(PAPER, population=None, group=step, person=None, reroute=None)
    recipe = replace(recipe, penalty=1.0, gradient="live", softmax="single", n_experts=2)
    found = []
    for budget in (causal.BUDGET, 1):
        some = replace(texts, budget=budget)
        found.append(fit(speaking[0], some, recipe).injected.train_only("router", "experts"))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@HUB
def test_routes_of_texts_are_means_over_their_tokens(speaking, texts):
    recipe = replace(PAPER, population=None, person=None, reroute=None, n_experts=3)
    tuned = fit(speaking[0], texts, recipe)
    for shares in tuned.routes(texts).values():
        assert shares.shape == (2, 3)
        torch.testing.assert_close(shares.sum(1), torch.ones(2))


@HUB
def test_an_informed_start_is_refused_in_words(speaking, texts):
    recipe = replace(OURS, population=None, group=None, start="informed")
    with pytest.raises(ValueError, match='have no residual .* take a recipe with start="random"'):
        fit(speaking[0], texts, recipe)
    with pytest.raises(ValueError, match="2 users for 5 groups"):
        fit(speaking[0], texts, replace(OURS, population=None, person=None))


def test_some_of_the_texts_are_as_many_users_texts():
    texts = Texts([Turn([1, 2, row], 2, 3) for row in range(4)], USER, 2)
    by_mask = texts.select(torch.tensor([True, False, False, True]))
    by_row = texts.select(torch.tensor([0, 3]))
    assert by_mask.chats == by_row.chats == (texts.chats[0], texts.chats[3])
    assert by_mask.user.tolist() == [0, 0] and by_mask.n_users == 2


# Greedy answers


@HUB
def test_greedy_answers_are_those_of_transformers(speaking):
    model, tokenizer = speaking
    told = []
    found = greedy.answers(model, tokenizer, ASKED, n_tokens=6, rows=3, ahead=told.append)
    assert sorted(sum(told, [])) == [0, 1, 2, 3] and [len(places) for places in told] == [3, 1]
    for prompt, answer in zip(ASKED, found, strict=True):
        ids = torch.tensor(causal.heads(tokenizer, [prompt]))
        ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
        said = model.generate(ids, do_sample=False, max_new_tokens=6, **ends)
        assert answer == tokenizer.decode(said[0, ids.shape[1] :], skip_special_tokens=True)


# LaMP's users


def count(text):
    return len(text.split())


def test_users_of_lamp_s_own_files_learn_and_are_asked(tmp_path):
    users = read_either(files(tmp_path, items=3), "LaMP_3")
    assert users.names == USERS and users.asked.tolist() == [0, 1, 2, 3] and users.others == ()
    found = written("LaMP_3", users.questions, count, 64)
    assert found.user.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3] and found.n_users == 4
    item = users.questions[1].profile[0]
    assert found.asked[3] == ASK + item["text"]
    assert found.answers[3] == item["score"]
    two = read_either(tmp_path, "LaMP_3", limit=2)
    assert two.names == USERS[:2] and two.fingerprint != users.fingerprint


def test_users_of_the_other_layout_have_others_to_learn_from(tmp_path):
    profile = [{"id": "p", "text": "good", "score": "5"}]

    def user(name, *ids):
        asked = [{"id": id, "input": f"{id}, review: fine", "gold": "4"} for id in ids]
        return {"user_id": name, "profile": profile, "query": asked}

    golds = [{"id": id, "output": "4"} for id in ("c", "d")]
    content = {
        "user_others": [user("x", "a"), user("y", "b")],
        "user_top_100_history": [user("z", "c", "d")],
        "user_top_100_history_label": {"task": "LaMP_3", "golds": golds},
    }
    for name, each in content.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(each))
    users = read_either(tmp_path, "LaMP_3")
    assert users.names == ("z",) and users.asked.tolist() == [0, 0]
    assert [one.user for one in users.others] == ["x", "y"]
    once = written("LaMP_3", users.questions, count, 64)
    assert once.user.tolist() == [0] and once.asked == ("c, review: good",)  # as first asked
    everybody = written("LaMP_3", (*users.others, *users.questions), count, 64)
    assert everybody.user.tolist() == [0, 1, 2]


def test_a_user_who_wrote_nothing_is_a_user(tmp_path):
    users = read_either(files(tmp_path, items=2), "LaMP_3")
    some = [replace(users.questions[0], profile=()), *users.questions[1:]]
    found = written("LaMP_3", some, count, 64)
    assert found.n_users == 4 and found.user.tolist() == [1, 1, 2, 2, 3, 3]
    with pytest.raises(ValueError, match="the profiles of 1 users are empty"):
        written("LaMP_3", some[:1], count, 64)
