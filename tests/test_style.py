"""Answers in a user's style: the upper part of a model learns as the whole model would."""

import math
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pandas as pd
import pytest
import torch
from style_world import PANEL, QUICK, RECIPE, RESPONSES, drawn, quick, read, tiny, vectors

from lore_core.evaluation import (
    small_tables,
    style_history,
    style_rows,
    style_table,
    style_xlora,
)
from lore_core.evaluation.style_study import merged
from lore_core.language_model import causal
from lore_core.language_model.whole import Entering
from lore_core.proper import fit
from lore_core.tasks.rouge import KINDS
from lore_core.tasks.texts import Texts
from lore_core.tasks.texts_above import TextsAbove
from lore_core.tools.paths import FIGURES, ROOT

pytestmark = pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `hub`")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def task():
    return drawn()


@pytest.fixture
def made(place, task):
    return read(place, task)


def whole_texts(made):
    """The same items for the whole model."""
    return Texts(made.items.chats, made.items.user, made.items.n_users).select(made.task.history)


# Texts above a block


def test_the_upper_part_finds_the_losses_and_gradients_of_the_whole_model(made):
    upper, texts = made.untuned().net, whole_texts(made)
    rows = torch.tensor([3, 0, 5])
    weight = made.model.model.layers[2].mlp.up_proj.base.weight.requires_grad_(True)
    gradients = []
    for net, items in ((upper, made.history), (made.model, texts)):
        losses = items.losses(net, rows)
        losses.sum().backward()
        gradients.append((losses.detach(), weight.grad.clone()))
        weight.grad = None
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_all_stages_above_a_block_are_those_on_the_whole_model(made):
    """PROPER from stored states, and PROPER through all blocks: the same curves and adapters."""
    texts, group = whole_texts(made), made.task.group
    on_all = fit.fit(made.model, texts, RECIPE, 5, r"model\.layers\.[12]\.mlp\..*", group)
    above = made.untuned()
    fit.complete(above, made.history, RECIPE, 5, group)
    assert list(above.curves) == ["population", "group", "person"]
    for stage, curve in above.curves.items():
        assert curve == pytest.approx(on_all.curves[stage], rel=1e-4)
    torch.testing.assert_close(above.shares, on_all.shares, rtol=1e-3, atol=1e-4)
    for one, other in zip(above.layers.values(), on_all.layers.values(), strict=True):
        torch.testing.assert_close(one.personal.B, other.personal.B, rtol=1e-3, atol=1e-5)


def test_some_texts_keep_their_states(made):
    some = made.items.select(torch.tensor([4, 1]))
    assert some.chats == (made.items.chats[4], made.items.chats[1])
    assert torch.equal(some.states[0], made.items.states[4])
    by_mask = made.items.select(torch.arange(len(made.items)) == 1)
    assert torch.equal(by_mask.states[0], some.states[1])


def test_states_of_other_texts_are_refused(made):
    items = made.items
    with pytest.raises(ValueError, match="states has 0 rows but chats has"):
        TextsAbove(items.chats, items.user, items.n_users, states=Entering([]))


# What is measured


def test_bits_per_byte_are_those_of_the_whole_model(made):
    test = made.task.test
    found = made.bits_per_byte(made.untuned(), test, made.task.user[test])
    asked, wanted = ([texts[row] for row in test] for texts in (made.asked, made.wanted))
    cut = [False] * len(test)
    expected = causal.bits_per_byte(made.model, made.tokenizer, asked, wanted, cut)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert wanted[0] == " ".join(RESPONSES[made.task.target[test[0]]].split()[:2])


def test_everybody_is_answered_by_their_own_adapter(made):
    """Alone or together, in whatever order; the whole model speaks with what its part learned."""
    tuned = made.untuned()
    shout = replace(RECIPE, population=None, group=None)
    fit.complete(tuned, made.history, replace(shout, person=replace(QUICK, passes=9)), 1)
    rows = made.task.test[[0, 6, 12, 18, 24, 29]]
    lengths = [len(made.asked[row]) for row in rows]
    assert lengths != sorted(lengths, reverse=True)  # else the longest are first, and nobody waits
    user = made.task.user[rows]
    together = made.answers(tuned, rows, user, 4)
    alone = [
        made.answers(tuned, row[None], one[None], 4)[0] for row, one in zip(rows, user, strict=True)
    ]
    assert together == alone
    assert made.answers(tuned, rows, user.roll(1), 4) != together


# The table


@pytest.fixture(scope="module")
def found(place, task, tmp_path_factory):
    """The rows of all families, each from a fresh model."""
    tuned = style_rows.population(read(place, task), RECIPE)
    weights, rows = merged(tuned), []
    for family in style_rows.FAMILIES:
        given = None if family == "base" else weights
        rows.append(style_rows.items(read(place, task), family, given, families=quick()))
    for method in style_history.METHODS:
        rows.append(style_history.items(read(place, task), vectors(task), method))
    folder = tmp_path_factory.mktemp("adapters") / "experts"
    style_xlora.experts(read(place, task), weights, folder, recipe=RECIPE)
    mixed = style_xlora.fit(read(place, task), weights, sorted(folder.iterdir()))
    rows.append(style_xlora.items(mixed))
    assert tuned.curves["population"][-1] < tuned.curves["population"][0]
    return pd.concat(rows, ignore_index=True)


def test_every_method_is_measured_on_every_test_item(found, task):
    assert set(found.method) == set(style_table.METHODS)
    assert (found.groupby("method").size() == len(task.test)).all()
    assert found.drop(columns=["text", *KINDS]).notna().all(axis=None)
    answered = found[found.text.notna()]
    assert answered[[*KINDS]].notna().all(axis=None)
    assert (answered.groupby(["method", "user"]).size() == style_rows.SPOKEN).all()


def test_tuning_makes_the_wanted_answers_less_surprising(found):
    bits = found.groupby("method")[style_rows.BITS].mean()
    assert bits["population"] < bits["no tuning"]
    assert bits["PROPER"] != bits["another user's"]


def test_weights_after_stage_1_give_the_same_model_again(found, made):
    tuned = style_rows.population(made, RECIPE)
    test = made.task.test
    again = made.bits_per_byte(tuned, test, made.task.user[test])
    kept = found[found.method == "population"].set_index("item")[style_rows.BITS]
    assert kept[test.tolist()].tolist() == pytest.approx(again.tolist(), rel=1e-5)


def test_the_table_means_users_and_measures_gains_from_the_population(found, tmp_path):
    small_tables.write(style_table.table(found), tmp_path / "style.csv")
    table = style_table.read(tmp_path / "style.csv").set_index(["method", "measure"])
    assert len(table) == len(style_table.METHODS) * 3
    for measure in (style_rows.BITS, *KINDS):
        means = found.groupby(["method", "user"])[measure].mean().groupby("method").mean()
        row, base = table.loc[("PROPER", measure)], means["population"]
        assert row["mean"] == pytest.approx(means["PROPER"], abs=1e-4)
        sign = -1 if measure == style_rows.BITS else 1
        assert row["gain"] == pytest.approx(sign * (means["PROPER"] - base), abs=2e-4)
        assert row["low"] <= row["mean"] <= row["high"] and row["n_users"] == PANEL.n_users
    assert (table.xs("population").gain == 0).all()


def test_four_texts_are_shown_of_users_of_two_groups(found, task, tmp_path):
    style_rows.write(tmp_path / "rows.json", found)
    again = style_rows.gathered([tmp_path / "rows.json"])
    pd.testing.assert_frame_equal(again, found, check_dtype=False)
    texts = style_table.shown(task, again)
    assert texts.method.tolist() == ["no tuning", "PROPER"] * 2
    assert texts.group.nunique() == texts.user.nunique() == 2
    assert texts.history.max() == task.lengths.max()


def test_the_pieces_fit_together():
    """Snakemake finds every piece; nothing is computed."""
    told = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/style.smk", "-n"]
    work = ["--config", "work=build/no_such_style", "out=build/no_such_style"]
    ran = subprocess.run([*told, *work], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    rules = {"family_3", "population", "states", "history", "experts", "xlora", "table"}
    assert rules <= set((ran.stdout + ran.stderr).split())


@pytest.mark.skipif(not style_table.FILE.is_file(), reason="not computed yet")
def test_the_committed_table_is_whole():
    table = style_table.read()
    assert set(table.method) == set(style_table.METHODS)
    assert math.prod(table[key].nunique() for key in style_table.KEYS) == len(table)
    assert len(pd.read_csv(FIGURES / "style_texts.csv")) == 4
