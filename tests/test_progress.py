"""Long fits say how far they are, short ones and silenced ones say nothing; no result changes."""

import io
import sys

import pytest
import torch
from worlds import normal, pairs, toy_pairs, toy_responses

from lore_core import Recipe, fit_basis, fit_weights
from lore_core.methods import FreeWeights, PerUser
from lore_core.methods.pal_training import PAL
from lore_core.methods.schedule import Schedule
from lore_core.methods.vpl_training import VPL
from lore_core.recipes import FEW_SHOT, FewShot
from lore_core.tasks.descent import descend
from lore_core.tasks.pace import Pace
from lore_core.tools import progress
from lore_core.tools.progress import Bar

HERE = toy_responses()
TRAIN, HELD_OUT = toy_pairs(seed=1), toy_pairs(seed=2)
SHORT = Recipe(steps=2, ridge_basis=(1e-4, 1e-1), tolerance=0.0, patience=2)


@pytest.fixture(autouse=True)
def _allowed(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)


@pytest.fixture
def at_once(monkeypatch):
    """Every fit is a long one."""
    monkeypatch.setattr(progress, "DELAY", 0.0)
    monkeypatch.setattr(progress, "OFTEN", {True: 0.0, False: 0.0})


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [1e9]
    monkeypatch.setattr(progress, "time", lambda: now[0])
    return now


def fit(**options):
    return fit_basis(HERE, TRAIN, 2, SHORT, validation=HELD_OUT, **options)


def reward():
    return fit().reward


# --- what is shown -------------------------------------------------------------------------------


def test_a_long_fit_shows_loss_validation_and_pairs_per_second_of_each_ridge(at_once, capsys):
    found = fit()
    said = capsys.readouterr().err
    assert "ridge 0.0001: " in said and "ridge 0.1: " in said
    assert f"loss={found.losses[0]:.4g}" in said and f"validation={found.validation[0]:.4g}" in said
    assert "pairs/s" in said and " 2/2 " in said


def few(recipe):
    return lambda: fit_weights(reward(), HERE, TRAIN, recipe)


def method(kind):
    return lambda: kind.fit(HERE, TRAIN, validation=HELD_OUT, device="cpu")


def adapted(kind):
    return lambda: method(kind)().adapt(HERE, TRAIN)


def tuned():
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    losses = lambda some: normal(20, 3)[some] @ weight  # noqa: E731
    descend([weight], losses, torch.zeros(20).long(), Pace(passes=2), torch.Generator(), "person")


LONG = {
    "Newton's few-shot fit": (few(FEW_SHOT), ["weights: ", "user/s", "pairs/s", "likeness: "]),
    "Adam's few-shot fit": (
        few(FewShot(optimizer="adam", steps=3)),
        ["weights: ", "loss=", "pairs/s"],
    ),
    "free weights": (method(FreeWeights(2, 1e-3, 1e-3)), ["loss=", "validation=", "pairs/s"]),
    "one per user": (method(PerUser()), ["directions: ", "user/s", "pairs/s"]),
    "PAL": (method(PAL(schedule=Schedule(9))), ["loss=", "validation=", "pairs/s", "9/9"]),
    "PAL's new users": (adapted(PAL(schedule=Schedule(2))), ["weights: ", "user/s", "pairs/s"]),
    "VPL": (method(VPL(8, 8, schedule=Schedule(9))), ["loss=", "validation=", "pairs/s", "9/9"]),
    "a tuned network": (tuned, ["person: ", "loss=", "items/s", "2/2"]),
}


@pytest.mark.parametrize(("work", "words"), LONG.values(), ids=LONG)
def test_whatever_may_take_long_says_how_far_it_is(work, words, at_once, capsys):
    work()
    said = capsys.readouterr().err
    assert [word for word in words if word not in said] == []


def test_pairs_per_second_are_those_that_gradients_read(clock):
    bar = Bar("fit", 9)
    for _ in range(4):
        bar.count(500)
    clock[0] += 2
    assert bar.said() == "1.00k pairs/s"


# --- when ----------------------------------------------------------------------------------------


def test_a_fit_within_a_second_says_nothing_and_makes_no_bar(clock, capsys):
    fit()
    with Bar("fit", 9) as bar:
        clock[0] += 0.99
        bar.step()
    assert capsys.readouterr() == ("", "") and bar.bar is None


def test_it_appears_after_a_second_and_a_log_gets_a_line_in_half_a_minute(clock, capsys):
    lines = []
    with Bar("fit", 100) as bar:
        for seconds in (0.5, 0.4, 0.2, 1, 28, 1, 29.9):
            clock[0] += seconds
            bar.step(loss=clock[0] - 1e9)
            lines.append(capsys.readouterr().err)
    assert [bool(line) for line in lines] == [False, False, True, False, False, True, False]
    assert "3/100" in lines[2] and "loss=1.1" in lines[2]


def test_its_seconds_are_those_of_the_work_and_not_of_the_bar(at_once, capsys):
    with Bar("fit", 100) as bar:
        bar.since -= 65
        bar.step()
    assert "1/100 [01:05<" in capsys.readouterr().err


class Terminal(io.StringIO):
    """A stream at which somebody looks."""

    def isatty(self):
        return True


def test_a_terminal_sees_it_move_and_nothing_is_left(clock, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with Bar("fit", 5) as bar:
        for _ in range(5):
            clock[0] += 1
            bar.step()
    lines = screen.getvalue().split("\r")
    assert [f"{n}/5" in line for n, line in enumerate(lines[1:6], 1)] == [True] * 5
    assert lines[6].strip() == "" and lines[7] == "" and "\n" not in screen.getvalue()


# --- silent --------------------------------------------------------------------------------------


def test_it_is_silent_when_told_so_in_python(at_once, capsys):
    with progress.silent():
        fit()
        with progress.shown():
            Bar("inner").step()
        fit()
    assert "inner" in (said := capsys.readouterr().err) and "ridge" not in said
    fit()
    assert "ridge" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [progress.silent, progress.shown])
def test_tqdm_s_own_variable_silences_everything(asked, at_once, capsys, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with asked():
        fit()
    assert capsys.readouterr() == ("", "")


class Kept(io.StringIO):
    """A notebook's stderr, which keeps all that is written."""

    __module__ = "ipykernel.iostream"


def test_a_notebook_is_left_clean_unless_it_asks(at_once, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Kept())
    fit()
    assert sys.stderr.getvalue() == ""
    with progress.shown():
        fit()
    assert "loss=" in sys.stderr.getvalue()


def test_without_stderr_it_is_silent(at_once, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    fit()


def test_a_bar_vanishes_when_its_fit_fails(at_once, capsys):
    with pytest.raises(ZeroDivisionError), Bar("fit", 3) as bar:
        bar.step()
        raise ZeroDivisionError
    assert capsys.readouterr().err.endswith(" \r")


# --- no result changes ---------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "alternating"])
def test_shown_or_silent_a_fit_is_the_same_bit_for_bit(optimizer, at_once, capsys):
    recipe = Recipe(optimizer=optimizer, steps=2, ridge_basis=(1e-4, 1e-2))

    def result():
        found = fit_basis(HERE, TRAIN, 2, recipe, validation=HELD_OUT)
        few = fit_weights(found.reward, HERE, pairs((0, 1, 2), (0, 5, 4), (1, 8, 3)))
        return [found.reward.basis, found.reward.logits, few], found.losses, found.validation

    shown = result()
    assert "loss=" in capsys.readouterr().err
    with progress.silent():
        quiet = result()
    assert all(map(torch.equal, shown[0], quiet[0])) and shown[1:] == quiet[1:]
