"""A data set of the reader's own comes back as it was; a data set is found by its name."""

import subprocess
import sys

import pytest
import torch
from worlds import normal

from lore_core import Preferences, Responses
from lore_core.datasets import alpaca_eval, known, load, saved
from lore_core.tools import tensor_files


def responses(dtype=torch.float64):
    return Responses(
        embeddings=normal(6, 3).to(dtype),
        prompt=torch.tensor([0, 0, 1, 1, 4, 4]),
        traits=normal(6, 2, seed=1).to(dtype),
        trait_names=("brevity", "Ähnlichkeit"),
        prompt_embeddings=normal(5, 2, seed=2).to(dtype),
    )


def preferences(last=5):
    pairs = {"user": [0, 2, 2], "chosen": [0, 3, last], "rejected": [1, 2, 4]}
    return Preferences(**pairs, n_users=7)


def same(one, other):
    """Whether two tensors, or two Nones, are the same to the last bit and of one type."""
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and one.numpy().tobytes() == other.numpy().tobytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.safetensors"


# The reader's own file


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_responses_and_preferences_come_back_bit_for_bit(path, dtype):
    given = responses(dtype)
    given.embeddings[0] = torch.tensor([-0.0, 1e-320 if dtype == torch.float64 else 1e-42, 1 / 3])
    saved.write(path, given, preferences())
    found, pairs = load(path)
    for name in ("embeddings", "prompt", "traits", "prompt_embeddings"):
        assert same(getattr(found, name), getattr(given, name)), name
    assert found.trait_names == given.trait_names
    for name in ("user", "chosen", "rejected"):
        assert same(getattr(pairs, name), getattr(preferences(), name)), name
    assert pairs.n_users == 7, "users without pairs are users too"


def test_what_was_not_given_is_not_there(path):
    saved.write(path, Responses(normal(6, 3), torch.arange(6)))
    found, pairs = load(str(path))
    assert pairs is None
    assert found.traits is None and found.trait_names == () and found.prompt_embeddings is None


def test_no_pairs_are_not_the_same_as_no_preferences(path):
    saved.write(path, responses(), Preferences([], [], [], n_users=3))
    _, pairs = load(path)
    assert len(pairs) == 0 and pairs.n_users == 3


def test_numbers_that_are_learned_or_views_are_written_as_they_are(path):
    table = normal(3, 6).requires_grad_()
    saved.write(path, Responses(table.T, torch.arange(6), traits=table.T))
    found, _ = load(path)
    assert torch.equal(found.embeddings, table.T) and not found.embeddings.requires_grad


def test_a_pair_past_the_last_response_is_refused_and_the_old_file_stays(path):
    saved.write(path, responses(), preferences())
    before = path.read_bytes()
    with pytest.raises(ValueError, match="points to response 6, but there are 6"):
        saved.write(path, responses(), preferences(last=6))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "given", [(normal(6, 3),), (responses(), responses()), (preferences(), responses())]
)
def test_something_else_than_responses_and_preferences_is_refused(given, path):
    with pytest.raises(ValueError, match="expected (Responses|Preferences)"):
        saved.write(path, *given)
    assert not path.exists()


TENSORS = {
    "embeddings": normal(6, 3),
    "prompt": torch.arange(6),
    "user": torch.tensor([0, 1]),
    "chosen": torch.tensor([0, 1]),
    "rejected": torch.tensor([2, 3]),
}
ABOUT = {"kind": saved.KIND, "trait_names": [], "n_users": 2}
HARMS = {
    "another kind": (TENSORS, {**ABOUT, "kind": "LowRankReward"}, "holds something else"),
    "no kind": (TENSORS, {}, "holds something else"),
    "a list": (TENSORS, [1], "holds something else"),
    "no number of users": (TENSORS, {"kind": saved.KIND, "trait_names": []}, "lacks 'n_users'"),
    "too few users": (TENSORS, {**ABOUT, "n_users": 1}, "user id 1 is out of range"),
    "names without traits": (TENSORS, {**ABOUT, "trait_names": ["a"]}, "1 trait names for 0"),
    "a pair too far": (
        {**TENSORS, "chosen": torch.tensor([0, 6])},
        ABOUT,
        "points to response 6, but there are 6",
    ),
    "NaN": ({**TENSORS, "embeddings": normal(6, 3) / 0 * 0}, ABOUT, "NaN or infinite"),
    **{
        f"no {name}": ({other: TENSORS[other] for other in TENSORS if other != name}, ABOUT, name)
        for name in TENSORS
    },
}


@pytest.mark.parametrize(("tensors", "about", "message"), HARMS.values(), ids=HARMS)
def test_a_file_that_holds_something_else_is_refused_and_named(tensors, about, message, path):
    tensor_files.write(path, tensors, about)
    with pytest.raises(ValueError, match=f"{path} is no data set .*{message}.*write it again"):
        load(path)


def test_a_damaged_file_is_refused_and_named(path):
    saved.write(path, responses(), preferences())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{path} is no data set .*write it again"):
        load(path)


def test_a_file_that_a_build_wrote_is_loaded_by_its_name():
    with pytest.raises(ValueError, match="load a data set of the course by its name"):
        load(alpaca_eval.FILE)


def test_a_missing_file_is_a_missing_file(path):
    with pytest.raises(FileNotFoundError, match="mine.safetensors does not exist"):
        load(path)


# By name


def test_a_data_set_of_the_course_is_found_by_its_name():
    found, pairs = load("alpaca_eval")
    assert pairs is None and torch.equal(found.embeddings, alpaca_eval.load().embeddings)


@pytest.mark.parametrize("name", ["alpaca-eval", "saved", "embed", "build", "", "../x", None, []])
def test_an_unknown_name_is_refused_and_the_known_ones_are_named(name):
    with pytest.raises(ValueError, match=r"unknown, expected one of .*alpaca_eval.*\.safetensors"):
        load(name)


def test_a_new_data_set_is_one_file_and_nothing_else(tmp_path, monkeypatch):
    import lore_core.datasets as room

    (tmp_path / "one_more_file.py").write_text(
        """from lore_core import Preferences, Responses

def load(n=2):
    return Responses([[1.0], [2.0]], [0, 0]), Preferences([1], [0], [1], n_users=n)
"""
    )
    (tmp_path / "with_a_question.py").write_text("def load(path):\n    return path\n")
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    assert {"alpaca_eval", "one_more_file"} <= set(known())
    assert "with_a_question" not in known(), "it cannot be loaded by its name alone"
    found, pairs = load("one_more_file")
    assert len(found) == 2 and pairs.n_users == 2


def test_the_room_imports_no_data_set_before_it_is_asked_for():
    code = "import sys, lore_core.datasets; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = found.stdout.split()
    assert "lore_core.datasets" in modules
    assert not [name for name in known() if f"lore_core.datasets.{name}" in modules]
