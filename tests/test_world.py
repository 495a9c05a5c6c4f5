"""Texts, names and the people's table stay with the numbers they belong to."""

import pandas as pd
import pytest
import torch
from worlds import normal

from lore_core import Preferences, Responses, datasets
from lore_core.datasets import saved
from lore_core.datasets.corpus import Corpus
from lore_core.datasets.world import World
from lore_core.language_model.chat import Message

NAMES = ("Ada", "Björn", "Chloé")


def preferences(**other):
    given = {"user": [0, 2, 2], "chosen": [0, 2, 1], "rejected": [1, 1, 3], "n_users": 3}
    return Preferences(**given | {"user_names": NAMES} | other)


def responses(**other):
    names = {"names": ("a", "b", "c", "d"), "prompt_names": ("one", "two")}
    return Responses(normal(4, 3), torch.tensor([0, 0, 1, 1]), **names | other)


def people(n=3):
    return pd.DataFrame({"age": range(n)})


def corpus(**other):
    chat = (Message("user", "hello"), Message("assistant", "hi"), Message("user", "go on"))
    given = {
        "prompts": ("hello", chat, "another"),
        "responses": ("hi", "go away", "a", "b"),
        "prompt": [0, 0, 1, 2],
        "preferences": preferences(),
        "people": people(),
        "about": {"source": "here"},
    }
    return Corpus(**given | other)


def test_what_has_a_name_is_called_by_it_and_the_rest_by_its_number():
    assert responses().name(1) == "b" and responses().prompt_name(1) == "two"
    assert preferences().user_name(1) == "Björn"
    assert responses(names=()).name(1) == "response 1"
    assert responses(prompt_names=()).prompt_name(1) == "prompt 1"
    assert preferences(user_names=()).user_name(1) == "user 1"


def test_users_keep_their_names_when_pairs_are_selected_or_users_renumbered():
    assert preferences().select(torch.tensor([1])).user_names == NAMES
    assert preferences().in_order().user_names == NAMES
    assert preferences().of_users(torch.tensor([2, 0])).user_names == ("Chloé", "Ada")
    assert preferences(user_names=()).of_users(torch.tensor([2])).user_names == ()
    drawn = preferences().subsample_users(3, torch.Generator().manual_seed(0))
    pairs_of = dict(zip(drawn.user_names, drawn.counts.tolist(), strict=True))
    assert pairs_of == {"Ada": 1, "Björn": 0, "Chloé": 2}


def test_a_saved_file_keeps_the_names(tmp_path):
    saved.write(tmp_path / "mine.safetensors", responses(), preferences())
    found, pairs = saved.load(tmp_path / "mine.safetensors")
    assert found.names == ("a", "b", "c", "d") and found.prompt_names == ("one", "two")
    assert pairs.user_names == NAMES


def test_an_error_about_a_pair_names_its_user():
    with pytest.raises(ValueError, match="Chloé points to response 9"):
        preferences(chosen=[0, 2, 9]).check(responses())
    with pytest.raises(ValueError, match="the first one is of Chloé"):
        preferences(rejected=[1, 2, 3])


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: responses(names=("a",)), "names has 1 strings, expected 4, or none"),
        (lambda: responses(names="abcd"), "names is the string 'abcd', expected a list"),
        (lambda: responses(prompt_names=("one",)), "prompt_names has 1 strings, expected 2"),
        (lambda: preferences(user_names=(1, 2, 3)), r"user_names\[0\] is 1, expected a string"),
        (lambda: preferences(user_names=("Ada",)), "user_names has 1 strings, expected 3"),
        (lambda: World(responses(), preferences(), people(2)), "people has 2 rows, expected 3"),
        (
            lambda: World(responses(), preferences(), people(), people(2)),
            "pairs has 2 rows, expected 3: one per pair",
        ),
        (lambda: corpus(responses=("hi", ["go"], "a", "b")), r"responses\[1\] is \['go'\]"),
        (lambda: corpus(prompt=[0, 0, 1, 3]), "prompt"),
        (lambda: corpus(people=people(1)), "people has 1 rows"),
        (lambda: corpus(group=[0, 1]), "group"),
    ],
)
def test_what_does_not_fit_together_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_corpus_becomes_a_world_with_its_texts_as_names():
    found, pairs, table = corpus().world(normal(4, 3), encoder="an encoder")
    assert found.names == ("hi", "go away", "a", "b")
    assert found.prompt_names == ("hello", "go on", "another")
    assert found.prompt.tolist() == [0, 0, 1, 2]
    assert pairs.user_names == NAMES and len(table) == 3
    assert corpus().world(normal(4, 3), encoder="an encoder").about == {
        "source": "here",
        "encoder": "an encoder",
    }


def test_prompts_of_one_group_have_one_number_so_that_a_split_keeps_them_together():
    found, _, _ = corpus(group=[0, 0, 1]).world(normal(4, 3))
    assert found.prompt.tolist() == [0, 0, 0, 1]
    assert found.prompt_names == ("hello", "another")


def test_an_encoder_reads_each_response_with_its_prompt():
    chats = corpus().chats
    assert chats[1] == ("hello", "go away")
    assert chats[2][0][-1] == Message("user", "go on")


def test_people_gives_a_data_set_of_people_whole_by_name_or_file(tmp_path):
    by_name = datasets.people("electricity", encoder="minilm")
    assert len(by_name.people) == by_name.preferences.n_users == 361
    saved.write(tmp_path / "mine.safetensors", by_name.responses, by_name.preferences)
    by_file = datasets.people(tmp_path / "mine.safetensors")
    assert len(by_file.people) == 361 and len(by_file.preferences) == len(by_name.preferences)
    (tmp_path / "mine.csv").write_text('who,chosen,rejected\nAda,"[1, 2]","[2, 1]"\n')
    table = datasets.people(tmp_path / "mine.csv", user="who", say=lambda _: None)
    assert table.preferences.user_names == ("Ada",)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("alpaca_eval", {}, "alpaca_eval has responses, but no people who prefer one to another"),
        ("electricity", {"user": "who"}, r"electricity is a data set .* takes no \['user'\]"),
        ("electricty", {}, "the data set 'electricty' is unknown, expected one of alpaca_eval, "),
    ],
)
def test_people_says_what_there_is_not(name, options, message):
    with pytest.raises(ValueError, match=message):
        datasets.people(name, **options)
