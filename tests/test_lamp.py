"""LaMP's files, read and written; its questions as prompts; its scores."""

import json

import pytest

from lore_core.tasks.lamp import Question, read, read_users
from lore_core.tasks.lamp_files import read_outputs, write_predictions
from lore_core.tasks.lamp_prompts import cut, pairs, prompt
from lore_core.tasks.lamp_scores import scores
from lore_core.tasks.lamp_tasks import ALIASES, TASKS, task_of

ASK = "What is the score of this review? review: "
GOOD, BAD = {"id": "p1", "text": "works well", "score": "5"}, {"text": "broke at once", "score": 1}
QUESTIONS = [
    {"id": "11", "input": ASK + "it is fine", "profile": [GOOD, BAD]},
    {
        "id": "12",
        "input": ASK + "bad",
        "profile": [GOOD | {"date": "2020-01-02"}],
        "user_id": "ann",
    },
]
OUTPUTS = {"task": "LaMP_3", "golds": [{"id": "12", "output": "1"}, {"id": "11", "output": "4"}]}


def words(text):
    """Tokens that a test can count: the words."""
    return len(text.split())


def write(folder, questions=QUESTIONS, outputs=OUTPUTS, part="dev"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("questions", questions), ("outputs", outputs)):
        if content is not None:
            (folder / f"{part}_{name}.json").write_text(json.dumps(content))
    return folder


def asked(*profile, input=ASK + "it is fine", gold=None):
    return Question("1", "1", input, tuple(profile), gold)


# Files.


@pytest.mark.parametrize("place", ["", "LaMP_3", "LaMP-3/dev", "dev"])
def test_questions_come_with_their_profiles_and_outputs_wherever_the_files_lie(place, tmp_path):
    write(tmp_path / place)
    one, other = read(tmp_path, "LaMP-3", "dev")
    items = {"text": "works well", "score": "5"}, {"text": "broke at once", "score": "1"}
    assert one == Question("11", "11", ASK + "it is fine", items, "4")
    assert (other.id, other.user, other.gold) == ("12", "ann", "1")
    assert other.profile == (items[0] | {"date": "2020-01-02"},)


def test_outputs_that_are_kept_back_leave_the_gold_open(tmp_path):
    write(tmp_path, outputs=None, part="test")
    assert [one.gold for one in read(tmp_path, "LaMP_3", "test")] == [None, None]


def test_predictions_are_read_as_they_were_written_and_look_like_lamp_s_outputs(tmp_path):
    given = {"11": "4", "12": "très bien"}
    write_predictions(tmp_path / "p.json", "LaMP-3", given)
    assert read_outputs(tmp_path / "p.json", "LaMP_3") == given
    assert json.loads((tmp_path / "p.json").read_text(encoding="utf-8")) == {
        "task": "LaMP_3",
        "golds": [{"id": "11", "output": "4"}, {"id": "12", "output": "très bien"}],
    }


def test_tasks_go_by_the_names_of_per_user_tuning_too():
    names = {"movie_tagging": "LaMP_2", "news_categorize": "LaMP_2N", "news_headline": "LaMP_4"}
    assert {name: task_of(name).name for name in names} == names == ALIASES


def test_both_tasks_of_tags_have_one_name_in_files(tmp_path):
    write_predictions(tmp_path / "p.json", "LaMP_2N", {"1": "sports"})
    assert json.loads((tmp_path / "p.json").read_text())["task"] == "LaMP_2"
    assert read_outputs(tmp_path / "p.json", "LaMP_2N") == {"1": "sports"}


def write_users(folder, golds=OUTPUTS):
    top = {"user_id": 7, "profile": [GOOD, BAD], "query": [{"id": 11, "input": ASK + "fine"}]}
    another = {"profile": [GOOD], "query": [{"id": 12, "input": ASK + "bad", "gold": "2"}]}
    content = {
        "user_others.json": [another],
        "user_top_100_history.json": [top, top | {"query": [{"id": "12", "input": "so so"}]}],
        "user_top_100_history_label.json": golds,
    }
    for name, records in content.items():
        (folder / name).write_text(json.dumps(records))
    return folder


def test_users_with_many_queries_are_read_with_their_labels(tmp_path):
    others, top = read_users(write_users(tmp_path), "LaMP_3")
    assert [(one.id, one.user, one.gold) for one in others] == [("12", "user 0", "2")]
    assert [(one.id, one.user, one.gold) for one in top] == [("11", "7", "4"), ("12", "7", "1")]
    assert top[1].input == "so so" and len(top[1].profile) == 2


# Prompts.


def test_a_prompt_shows_the_newest_items_oldest_first_and_then_asks():
    made = prompt("LaMP_3", asked(GOOD, BAD, GOOD | {"text": "new"}), words, items=2)
    assert made.split("\n") == [
        "I gave a score of 1 in the review: broke at once",
        "I gave a score of 5 in the review: new",
        ASK + "it is fine",
    ]


def test_dates_say_which_items_are_the_newest():
    dated = [GOOD | {"date": "2021"}, BAD | {"date": "2019"}, GOOD | {"text": "x", "date": "2020"}]
    made = prompt("LaMP_3", asked(*dated), words, items=2)
    assert made.index("review: x") < made.index("works well") and "broke" not in made


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("budget", [1, 12, 20, 30, 50, 400])
def test_no_prompt_is_longer_than_asked(task, budget):
    kind = task_of(task)
    item = {
        name: f"long {'word ' * 40}" if name == kind.text else "a title" for name in kind.fields
    }
    made = prompt(task, asked(item, item, item), words, budget=budget)
    assert words(made) <= budget
    if budget == 400:
        assert made.count("word") == 120


def test_what_the_newest_item_leaves_goes_to_the_older_ones():
    long, short = {"text": "a " * 50, "score": 3}, {"text": "b", "score": 3}
    ask = asked(long, short, input="Q")
    lines = prompt("LaMP_3", ask, words, budget=41, items=2).split("\n")
    # 40 words for two lines; around their texts are 9: the short line takes 10, the long one 30
    assert [words(line) for line in lines] == [30, 10, 1]


def test_items_share_the_room_evenly():
    long = {"text": "a " * 50, "score": 3}
    lines = prompt("LaMP_3", asked(long, long, input="Q"), words, budget=41, items=2).split("\n")
    assert [words(line) for line in lines] == [20, 20, 1]


def test_an_item_without_room_is_left_out_and_a_long_question_is_cut():
    assert prompt("LaMP_3", asked(GOOD), words, budget=12) == ASK + "it is fine"
    assert prompt("LaMP_3", asked(GOOD), words, budget=3) == "What is the"
    assert prompt("LaMP_3", asked(), words) == ASK + "it is fine"
    assert prompt("LaMP_3", asked(GOOD), words, items=0) == ASK + "it is fine"


@pytest.mark.parametrize(("budget", "kept"), [(0, ""), (1, "a"), (2, "a b"), (3, "a  b c")])
def test_a_text_that_fits_is_left_as_it_is(budget, kept):
    assert cut("a  b c", words, budget) == kept


def test_a_user_s_own_items_are_asked_in_the_words_of_the_question():
    found = pairs("LaMP_3", asked(GOOD, BAD | {"score": "1"}), words)
    assert found == [(ASK + "works well", "5"), (ASK + "broke at once", "1")]
    assert pairs("LaMP_3", asked(GOOD), words, budget=9) == [(ASK + "works", "5")]


def test_or_in_our_words_where_the_question_marks_no_text():
    [(ask, wanted)] = pairs("LaMP_3", asked(GOOD, input="no mark"), words)
    assert ask.endswith("review: works well") and wanted == "5"


def test_items_that_hold_no_such_pair_are_asked_something_else():
    paper = asked({"title": "On rings", "abstract": "We prove it."})
    [(ask, wanted)] = pairs("LaMP_1", paper, words)
    assert ask.endswith(": On rings") and wanted == "We prove it."
    tweets = asked({"text": "one two three four five"}, {"text": "alone"})
    [(ask, wanted)] = pairs("LaMP_7", tweets, words)
    assert ask.endswith(": one two three") and wanted == "four five"


@pytest.mark.parametrize("task", TASKS)
def test_every_task_shows_and_asks_what_its_items_hold(task):
    kind = task_of(task)
    item = {name: f"<{name} it is>" for name in kind.fields}
    made = prompt(task, asked(item), words)
    assert all(f"<{name} it is>" in made for name in kind.fields) and "{" not in made
    assert kind.ask.endswith(kind.mark)
    assert kind.scores and len(pairs(task, asked(item), words)) == 1


# Scores.


def test_scores_are_those_of_the_task():
    stars = scores("LaMP_3", {"a": " 4", "b": "good"}, {"b": "2", "a": "5"})
    assert stars == {"MAE": 2.0, "RMSE": pytest.approx(5**0.5)}  # errors of 1 and 3
    tags = scores("LaMP_1", {"a": "[1]", "b": "[1]"}, {"a": "[1]", "b": "[2]"})
    assert tags == {"accuracy": 0.5, "macro F1": pytest.approx(1 / 3)}  # F1 of 2/3 and 0
    text = scores("LaMP_4", {"a": "a b"}, {"a": "b a c"})
    assert text == {"ROUGE-1": pytest.approx(0.8), "ROUGE-L": pytest.approx(0.4)}


# What does not fit.


def test_ids_that_differ_are_named(tmp_path):
    golds = [{"id": "11", "output": "4"}, {"id": "99", "output": "4"}]
    write(tmp_path, outputs=OUTPUTS | {"golds": golds})
    message = r"1 questions have no output \(12\), 1 outputs no question \(99\); give both files"
    with pytest.raises(ValueError, match=message):
        read(tmp_path, "LaMP_3")
    write(tmp_path, outputs=OUTPUTS | {"golds": OUTPUTS["golds"] + golds[1:]})
    with pytest.raises(ValueError, match=r"0 questions have no output \(\), 1 outputs no question"):
        read(tmp_path, "LaMP_3")
    with pytest.raises(ValueError, match="1 questions have no output"):
        read_users(write_users(tmp_path, golds=OUTPUTS | {"golds": golds}), "LaMP_3")


DAMAGED = {
    "half a file": ('[{"id": 1', None, "questions.json is damaged"),
    "another kind of file": ("{}", None, "holds no list of questions"),
    "an empty list": ("[]", None, "holds no list of questions"),
    "a number": ("[1]", None, "a record lacks 'profile'; it is 1"),
    "no id": (
        '[{"profile": [], "input": "x"}]',
        None,
        "a record lacks 'id'; it has profile, input",
    ),
    "no input": ('[{"id": 1, "profile": []}]', None, "question 1: a record lacks 'input'"),
    "an item without a score": (
        '[{"id": 1, "input": "x", "profile": [{"text": "t"}]}]',
        None,
        "question 1, its profile: a record lacks 'score'; it has text",
    ),
    "an id twice": (
        '[{"id": 1, "input": "x", "profile": []}, {"id": "1", "input": "y", "profile": []}]',
        None,
        "the id 1 comes twice",
    ),
    "outputs of another task": (None, '{"task": "LaMP_4", "golds": []}', "of the task LaMP_4"),
    "outputs without golds": (None, '{"task": "LaMP_3"}', 'has no list "golds"'),
    "an output without text": (None, '{"task": "LaMP_3", "golds": [{"id": 1}]}', "lacks 'output'"),
}


@pytest.mark.parametrize(("questions", "outputs", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_file_that_does_not_fit_is_refused(questions, outputs, message, tmp_path):
    write(tmp_path)
    if questions:
        (tmp_path / "dev_questions.json").write_text(questions)
    if outputs:
        (tmp_path / "dev_outputs.json").write_text(outputs)
    with pytest.raises(ValueError, match=message):
        read(tmp_path, "LaMP_3")


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no train_questions.json in .*download"):
        read(tmp_path, "LaMP_3", "train")
    with pytest.raises(FileNotFoundError, match="user_others.json"):
        read_users(tmp_path, "LaMP_3")


REFUSED = {
    "a task that there is not": (lambda: task_of("LaMP_9"), "'LaMP_9', expected one of LaMP_1"),
    "another part": (lambda: read(".", "LaMP_3", "validation"), "expected one of train, dev, test"),
    "no outputs to write": (lambda: write_predictions("x", "LaMP_3", {}), "no outputs to write"),
    "a budget of 0": (lambda: prompt("LaMP_3", asked(), words, budget=0), "budget is 0"),
    "items below 0": (lambda: prompt("LaMP_3", asked(), words, items=-1), "items is -1"),
    "scores of other ids": (lambda: scores("LaMP_3", {"a": "1"}, {"b": "1"}), r"\['a', 'b'\]"),
    "scores of nothing": (lambda: scores("LaMP_3", {}, {}), "at least one"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_asked_wrongly_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
