"""The contest: settings are chosen on validation data alone, and tested once."""

from dataclasses import replace
from functools import cache

import pytest
import torch
import yaml
from headless import ROOT
from worlds import random, toy_responses

from lore_core import Recipe, accuracy
from lore_core.decisions.best_of_n import best_of_n, true_utility
from lore_core.evaluation.benchmark import SEEN, UNSEEN, Result, Rules, compete, look_closer
from lore_core.evaluation.ceilings import known_tastes, perfect_observer
from lore_core.evaluation.controls import other_users
from lore_core.evaluation.selection import choose, settings, validation_score
from lore_core.methods import (
    PAL,
    VPL,
    LoRe,
    MeanDifference,
    PerUser,
    Reference,
    Schedule,
    bradley_terry,
)
from lore_core.methods.registry import LINE_UP, NAMES

RULES = Rules(0.1, 20, 12, n_pairs=15, pool=9, counts=(1, 3, 9), repeats=2, shots=9, seed=0)
TRAIT = Reference("trait 1")
SHORT = Recipe(steps=1)
CANDIDATES = [LoRe(1), LoRe(3), LoRe(2), LoRe(3, SHORT)]


@cache
def study():
    return RULES.study(toy_responses(n_prompts=180, n_features=8))


@cache
def result(method):
    return compete([method], study(), RULES, "cpu")


def without_tests():
    """What choosing may see: no tests, no users to be tested on, no tastes."""
    return replace(study(), tests=None, shots=None, tastes=None, users=None)


# --- choosing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(4))
def test_the_candidate_with_the_highest_validation_score_is_chosen(turn):
    candidates = CANDIDATES[turn:] + CANDIDATES[:turn]
    choice = choose(candidates, study(), 9, 0, "cpu")
    assert choice.method == LoRe(3)
    assert choice.scores.index(max(choice.scores)) == candidates.index(LoRe(3))
    assert validation_score(choice.model, study(), 9, 0) == max(choice.scores)
    assert len(set(choice.scores)) == 4


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        ([LoRe(3), LoRe(2)], "rank 3"),
        ([PerUser(0.1), PerUser(1.0)], "ridge 0.1"),
        ([bradley_terry(0.01), bradley_terry(0.1)], "ridge_basis 0.01"),
        ([VPL(64, 32, kl=0.1), VPL(64, 64, kl=0.2)], "latent 32, kl 0.1"),
        ([PAL(batch=8), PAL(batch=16)], "batch 8"),
        ([PAL(schedule=Schedule(5)), PAL(schedule=Schedule(6))], "steps 5"),
        ([TRAIT], ""),
    ],
)
def test_a_choice_is_told_by_the_settings_in_which_candidates_differ(candidates, words):
    assert settings(candidates[0], candidates) == words


@pytest.mark.parametrize("name", LINE_UP)
def test_every_candidate_of_the_line_up_can_be_told_from_the_others(name):
    told = [settings(method, LINE_UP[name]) for method in LINE_UP[name]]
    assert len(set(told)) == len(LINE_UP[name])


def test_choosing_does_not_see_the_tests():
    open_book, closed_book = (
        choose(CANDIDATES, world, 9, 0, "cpu") for world in (study(), without_tests())
    )
    assert closed_book.method == open_book.method and closed_book.scores == open_book.scores


def test_a_validation_score_is_half_seen_users_and_half_new_ones_after_their_shots():
    world, model = study(), LoRe(2).fit(study().responses, study().train, device="cpu")
    seen = accuracy(model.reward, world.responses, world.validation).mean()
    few = world.validation_shots.subsample(4, random(7))
    assert set(few.counts.tolist()) == {4}
    weights = model.adapt(world.responses, few)
    new = accuracy(model.reward, world.responses, world.validation_tests, weights).mean()
    assert validation_score(model, world, 4, 7) == pytest.approx(float(seen + new) / 2)


def test_candidates_may_stop_in_time_by_the_validation_pairs_of_seen_users():
    """With patience, what is fitted depends on validation pairs: they have to be handed over."""
    restless = LoRe(3, Recipe(tolerance=0.0, patience=1))
    alone = restless.fit(study().responses, study().train, device="cpu")
    chosen = choose([restless], study(), 9, 0, "cpu").model
    assert not torch.equal(chosen.reward.basis, alone.reward.basis)


# --- the result --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [TRAIT, LoRe(3)], ids=["reference", "LoRe"])
def test_a_result_is_what_the_chosen_model_scores_on_the_tests(method):
    world, found = study(), result(method)
    model = method.fit(world.responses, world.train, validation=world.validation, device="cpu")
    seen = model.accuracy(world.responses, world.tests[SEEN])
    weights = model.adapt(world.responses, world.shots)  # all nine pairs, in whatever order
    new = model.accuracy(world.responses, world.tests[UNSEEN], weights)
    rows = best_of_n(model, world.responses, world.prompts.test, weights)
    torch.testing.assert_close(found.seen, seen)
    torch.testing.assert_close(found.curve[2], new.expand(2, -1))
    tastes = world.tastes[world.users.test]
    torch.testing.assert_close(found.utility, true_utility(world.responses, tastes, rows))
    assert found.curve.shape == (3, 2, 12) and found.control.shape == (12,)


def test_a_result_says_how_it_came_about():
    about = compete(CANDIDATES[:2], study(), RULES, "cpu").about
    assert about["chosen"] == "rank 3" and about["parameters"] == 8 * 3 + 20 * 3
    assert about["validation"] == choose(CANDIDATES[:2], study(), 9, 0, "cpu").scores
    assert about["seconds to train all candidates"] >= 0


def test_with_another_users_shots_a_personal_method_does_worse_and_a_common_one_the_same():
    lore, common = result(LoRe(3)), result(TRAIT)
    assert lore.control.mean() < lore.curve[2].mean() - 0.1
    assert torch.equal(common.control, common.curve[2, 0])


def test_the_control_gives_everybody_somebody_elses():
    """Everybody's own column is the truth, so others' are as good only by chance."""
    world = study()
    model = LoRe(3).fit(world.responses, world.train, device="cpu")
    own = model.adapt(world.responses, world.shots)
    control, _ = look_closer(model, world, own)
    given = other_users(own, random(0))
    assert (given != own).any(1).all()
    expected = model.accuracy(world.responses, world.tests[UNSEEN], given)
    torch.testing.assert_close(control, expected)


def test_known_tastes_are_nearly_perfect_where_traits_are_linear_in_the_embedding():
    found = known_tastes(study(), RULES)
    assert found.seen.mean() > 0.98 and found.curve.mean() > 0.98
    assert found.curve.shape == (3, 2, 12) and torch.equal(found.curve[0], found.curve[2])
    assert found.control.mean() < 0.9
    best = perfect_observer(study(), RULES).utility
    torch.testing.assert_close(found.utility, best, atol=0.01, rtol=0.01)


def test_known_tastes_know_traits_from_seen_prompts_only():
    world = study()
    unseen = ~torch.isin(world.responses.prompt, world.prompts.train)
    traits = world.responses.traits.clone()
    traits[unseen] = -traits[unseen]
    turned = replace(world, responses=replace(world.responses, traits=traits))
    torch.testing.assert_close(known_tastes(turned, RULES).seen, known_tastes(world, RULES).seen)


def test_nobody_gives_more_than_a_perfect_observer():
    best = perfect_observer(study(), RULES)
    assert (best.seen == 1).all() and (best.curve == 1).all() and best.control.isnan().all()
    assert best.seen.shape == (20,) and best.curve.shape == (3, 2, 12)
    for method in (TRAIT, MeanDifference(), bradley_terry(), LoRe(3)):
        assert (result(method).utility <= best.utility).all()
    assert (known_tastes(study(), RULES).utility <= best.utility).all()
    assert result(TRAIT).utility.mean() < result(LoRe(3)).utility.mean() < best.utility.mean()


def test_rules_draw_the_same_crowd_for_every_method():
    again, world = RULES.study(study().responses), study()
    assert torch.equal(again.tastes, world.tastes)
    assert torch.equal(again.train.chosen, world.train.chosen)
    assert [set(p.counts.tolist()) for p in (world.train, world.shots)] == [{15}, {9}]
    assert (world.train.n_users, world.shots.n_users) == (20, 12)


@pytest.mark.parametrize("change", [{"shots": 5}, {"pool": 8}])
def test_rules_that_cannot_be_followed_are_refused(change):
    with pytest.raises(ValueError, match="expected shots among the counts, and no count above"):
        replace(RULES, **change)


@pytest.mark.parametrize("make", [lambda: result(TRAIT), lambda: perfect_observer(study(), RULES)])
def test_saved_and_loaded_a_result_is_the_same(make, tmp_path):
    make().save(tmp_path / "new folder" / "result")
    loaded = Result.load(tmp_path / "new folder" / "result")
    for name in ("seen", "curve", "control", "utility"):
        one, other = getattr(loaded, name), getattr(make(), name).double()
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    assert loaded.about == make().about


def test_a_result_is_written_whole_or_not_at_all(tmp_path):
    result(TRAIT).save(tmp_path / "result")
    before = (tmp_path / "result").read_bytes()
    broken = replace(result(TRAIT), about={"not for JSON": object()})
    with pytest.raises(TypeError):
        broken.save(tmp_path / "result")
    assert (tmp_path / "result").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


# --- the line-up -------------------------------------------------------------------------------

WITHOUT_LEARNING = {"perfect", "known_tastes"}
FULL = yaml.safe_load((ROOT / "profiles" / "full.yaml").read_text())


def test_every_method_has_a_name_of_its_own():
    assert NAMES.keys() == LINE_UP.keys() | WITHOUT_LEARNING
    assert len(set(NAMES.values())) == len(NAMES)


@pytest.mark.parametrize("name", LINE_UP)
def test_what_is_published_or_has_no_settings_has_one_candidate_everything_else_six(name):
    alone = name.endswith(("_published", "_defects")) or name in ("reference", "mean_difference")
    assert len(set(map(str, LINE_UP[name]))) == len(LINE_UP[name]) == (1 if alone else 6)


def test_the_full_comparison_names_every_method_once():
    assert sorted(FULL["methods"] + FULL["asides"]) == sorted(NAMES)


def test_the_full_comparison_follows_rules_that_there_are():
    same = {key: FULL[key] for key in Rules.__dataclass_fields__ if key != "concentration"}
    rules = Rules(concentration=FULL["concentrations"][0], **same)
    assert rules.shots in rules.counts and max(rules.counts) <= rules.pool
