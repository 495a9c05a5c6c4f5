"""Scores of ratings, tags and texts, against sums done by hand."""

import math

import pytest
import torch

from lore_core.tasks.metrics import accuracy, by_user, errors, macro_f1, mae, read_number, rmse
from lore_core.tasks.rouge import rouge

NAN = math.nan


def test_errors_of_ratings_by_hand():
    given, wanted = [5.0, 1.0, 3.5], [4.0, 4.0, 3.0]
    assert errors(given, wanted).tolist() == [1.0, 3.0, 0.5]
    assert mae(given, wanted) == 1.5
    assert rmse(given, wanted) == pytest.approx(math.sqrt((1 + 9 + 0.25) / 3))


def test_an_answer_that_is_no_number_counts_as_the_farther_of_1_and_5():
    assert errors([NAN] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]).tolist() == [4, 3, 2, 3, 4]
    assert errors([NAN], [0.0], least=0.0, most=1.0).tolist() == [1]


def test_what_is_a_number_is_read():
    assert [read_number(text) for text in ("4", " 4.5\n", "-1")] == [4.0, 4.5, -1.0]
    assert all(math.isnan(read_number(text)) for text in ("four", "", "4 stars", "inf", "nan"))


def test_accuracy_by_hand():
    assert accuracy(["a", "b", "c", "x"], ["a", "b", "b", "b"]) == 0.5
    assert accuracy(torch.tensor([1, 2]), torch.tensor([1, 3])) == 0.5
    assert accuracy(torch.tensor([1, 2]), [1, 2]) == 1.0


def test_macro_f1_by_hand():
    # a has precision 1 and recall 1/2, b 1/2 and 1: both F1 are 2/3. Nobody used c: 0.
    assert macro_f1(["a", "b", "b"], ["a", "a", "b"], ["a", "b", "c"]) == pytest.approx(4 / 9)
    # an answer that is no label spoils recall alone
    assert macro_f1(["a", "x"], ["a", "a"], ["a"]) == pytest.approx(2 / 3)
    assert macro_f1(torch.tensor([0, 1]), torch.tensor([0, 1]), [0, 1]) == 1.0


def test_the_mean_of_each_user():
    found = by_user(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0, 2, 2]), 3)
    assert found[[0, 2]].tolist() == [1.0, 4.0] and found[1].isnan()


def test_rouge_by_hand():
    # 4 words in common of 4 and of 5; the longest common subsequence has 2 ("the cat")
    found = rouge(["mat: the on cat", "", "Dogs!"], ["the cat on the mat", "a dog", "dogs"])
    assert found["rouge1"].tolist() == pytest.approx([2 * 1 * 0.8 / 1.8, 0, 1])
    assert found["rougeL"].tolist() == pytest.approx([2 * 0.5 * 0.4 / 0.9, 0, 1])


def test_rouge_takes_other_forms_of_a_word_for_other_words():
    assert rouge(["dogs"], ["dog"])["rouge1"].tolist() == [0.0]


def test_rouge_of_nothing_is_nothing():
    assert {kind: len(scores) for kind, scores in rouge([], []).items()} == {
        "rouge1": 0,
        "rougeL": 0,
    }


REFUSED = {
    "a rating beyond the scale": (lambda: mae([3.0], [6.0]), "wanted contains 6.0"),
    "a wanted rating that is none": (lambda: mae([3.0], [NAN]), "wanted contains nan"),
    "no ratings": (lambda: rmse([], []), "wanted is empty"),
    "more answers than questions": (lambda: mae([1.0, 2.0], [1.0]), "given has 2 rows"),
    "an infinite rating": (lambda: mae([math.inf], [1.0]), "infinite"),
    "no tags": (lambda: accuracy([], []), "no answers to score"),
    "a wanted tag of another task": (lambda: macro_f1(["a"], ["z"], ["a"]), "contains 'z'"),
    "texts of another number": (lambda: rouge(["a"], []), "given has 1 rows"),
    "a text for texts": (lambda: rouge("a", ["a"]), "given is the string 'a'"),
    "a number for a text": (lambda: rouge([1], ["a"]), r"given\[0\] is 1"),
    "a user without a place": (
        lambda: by_user(torch.ones(1), torch.tensor([2]), 2),
        "user contains 2",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_scores_of_what_does_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
