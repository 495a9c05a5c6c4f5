"""The benchmark: settings are chosen on validation data alone, and tested once."""

import json
import weakref
from dataclasses import asdict, replace
from functools import cache
from statistics import fmean

import pytest
import torch
import yaml
from headless import ROOT
from worlds import random, toy_responses

from lore_core import Recipe, accuracy
from lore_core.datasets import saved
from lore_core.decisions.best_of_n import best_of_n
from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.ceilings import CEILINGS, known_tastes, perfect_observer
from lore_core.evaluation.controls import other_users
from lore_core.evaluation.result import Result, another_users
from lore_core.evaluation.selection import select, validation_score
from lore_core.evaluation.study import SEEN, UNSEEN
from lore_core.evaluation.synthetic import Crowd
from lore_core.evaluation.utility import true_utility
from lore_core.methods import LoRe, MeanDifference, PerUser, Reference, bradley_terry
from lore_core.methods.registry import PUBLISHED, REGISTRY
from lore_core.tools import palette

CROWD = Crowd(concentration=0.1, n_seen=20, n_unseen=12, n_pairs=15, pool=9)
BENCHMARK = Benchmark(
    data="alpaca_eval", crowd=CROWD, counts=(1, 3, 9), repeats=2, shots=9, seeds=(0,)
)
TRAIT = Reference("trait 1")
SHORT = Recipe(steps=1)
SEEDS = (0, 1, 2)
CANDIDATES = {"rank 1": LoRe(1), "rank 3": LoRe(3), "rank 2": LoRe(2), "short": LoRe(3, SHORT)}


@cache
def study(seed=0):
    return CROWD.study(toy_responses(n_prompts=180, n_features=8), seed)


@cache
def result(method):
    (found,) = BENCHMARK.run({"only": method}, {0: study()}, "cpu")
    return found


def chosen(candidates, *seeds):
    """What validation data choose, for these seeds together."""
    return select(candidates, {seed: study(seed) for seed in seeds}, 9, "cpu")


def without_tests():
    """What choosing may see: no tests, no users to be tested on, no tastes."""
    return replace(study(), tests=None, shots=None, tastes=None, users=None)


# --- choosing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(4))
def test_the_candidate_with_the_highest_validation_score_is_chosen(turn):
    labels = [*CANDIDATES][turn:] + [*CANDIDATES][:turn]
    found = chosen({label: CANDIDATES[label] for label in labels}, 0)
    assert found.label == "rank 3" == max(found.scores, key=found.scores.get)
    assert [*found.scores] == labels and len(set(found.scores.values())) == 4
    assert validation_score(found.models[0], study(), 9, 0) == found.scores["rank 3"]


def test_one_candidate_is_chosen_for_all_seeds_by_the_mean_of_their_scores():
    """Ranks 3 and 4 are close: seeds that disagree when asked alone agree on their mean."""
    some = {f"rank {rank}": LoRe(rank) for rank in (3, 4)}
    alone = {seed: chosen(some, seed) for seed in SEEDS}
    assert len({one.label for one in alone.values()}) == 2
    together = chosen(some, *SEEDS)
    means = {label: fmean(one.scores[label] for one in alone.values()) for label in some}
    assert together.scores == pytest.approx(means)
    assert together.label == max(means, key=means.get)
    assert [*together.models] == [*SEEDS]


def test_every_seed_keeps_its_own_model_of_the_chosen_candidate():
    """Each is fitted to the pairs of its seed, with that seed."""
    found = chosen({"common": MeanDifference(), "personal": LoRe(3)}, *SEEDS)
    for seed in SEEDS:
        world = study(seed)
        alone = LoRe(3).fit(
            world.responses, world.train, validation=world.validation, seed=seed, device="cpu"
        )
        assert torch.equal(found.models[seed].personal, alone.personal)


def test_models_of_candidates_that_lost_are_not_kept_in_memory():
    """At most the best one's and those being fitted are there."""
    alive = weakref.WeakSet()

    class Watched(LoRe):
        def _fit(self, given):
            assert len(alive) <= 1
            model = super()._fit(given)
            alive.add(model)
            return model

    chosen({f"rank {rank}": Watched(rank) for rank in (3, 2, 1, 4)}, 0)


def test_choosing_does_not_see_the_tests():
    open_book, closed_book = (
        select(CANDIDATES, {0: world}, 9, "cpu") for world in (study(), without_tests())
    )
    assert closed_book.label == open_book.label and closed_book.scores == open_book.scores


def test_a_validation_score_is_half_seen_users_and_half_new_ones_after_their_shots():
    world, model = study(), LoRe(2).fit(study().responses, study().train, device="cpu")
    seen = accuracy(model, world.responses, world.validation).mean()
    few = world.validation_shots.subsample(4, random(7))
    assert set(few.counts.tolist()) == {4}
    weights = model.adapt(world.responses, few)
    new = accuracy(model, world.responses, world.validation_tests, weights).mean()
    assert validation_score(model, world, 4, 7) == pytest.approx(float(seen + new) / 2)


def test_candidates_may_stop_in_time_by_the_validation_pairs_of_seen_users():
    """With patience, what is fitted depends on validation pairs: they have to be handed over."""
    restless = LoRe(3, Recipe(tolerance=0.0, patience=1))
    alone = restless.fit(study().responses, study().train, device="cpu")
    stopped = chosen({"only": restless}, 0).models[0]
    assert not torch.equal(stopped.reward.basis, alone.reward.basis)


# --- the result --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [TRAIT, LoRe(3)], ids=["reference", "LoRe"])
def test_a_result_is_what_the_chosen_model_scores_on_the_tests(method):
    world, found = study(), result(method)
    model = method.fit(world.responses, world.train, validation=world.validation, device="cpu")
    seen = accuracy(model, world.responses, world.tests[SEEN])
    weights = model.adapt(world.responses, world.shots)  # all nine pairs, in whatever order
    new = accuracy(model, world.responses, world.tests[UNSEEN], weights)
    rows = best_of_n(model, world.responses, world.prompts.test, weights)
    torch.testing.assert_close(found.seen, seen)
    torch.testing.assert_close(found.curve[2], new.expand(2, -1))
    tastes = world.tastes[world.users.test]
    torch.testing.assert_close(found.utility, true_utility(world.responses, tastes, rows))
    assert found.curve.shape == (3, 2, 12) and found.control.shape == (12,)


def test_a_result_says_how_it_came_about():
    two = {label: CANDIDATES[label] for label in ("rank 1", "rank 3")}
    about = BENCHMARK.run(two, {0: study()}, "cpu")[0].about
    assert about["chosen"] == "rank 3" and about["parameters"] == 8 * 3 + 20 * 3
    assert about["seed"] == 0 and about["validation"] == chosen(two, 0).scores
    assert about["pairs of a seen user"] == 15 and about["pairs of an unseen user"] == [1, 3, 9]
    assert about["seconds to train all candidates, all seeds"] >= 0


def test_a_benchmark_may_take_one_candidate_of_the_methods_that_have_it():
    one = replace(BENCHMARK, only="rank 2").run(CANDIDATES, {0: study()}, "cpu")[0]
    assert one.about["chosen"] == "rank 2" and set(one.about["validation"]) == {"rank 2"}
    assert torch.equal(one.curve, result(LoRe(2)).curve)
    others = {"a": LoRe(2), "b": LoRe(3)}
    free = replace(BENCHMARK, only="rank 2").run(others, {0: study()}, "cpu")[0]
    assert set(free.about["validation"]) == {"a", "b"}


def test_a_benchmark_gives_one_result_per_seed_in_their_order():
    """Each is what its seed gives by itself."""
    two = {seed: study(seed) for seed in (1, 0)}
    found = BENCHMARK.run({"only": LoRe(3)}, two, "cpu")
    assert [one.about["seed"] for one in found] == [1, 0]
    for name in ("seen", "curve", "control", "utility"):
        assert torch.equal(getattr(found[1], name), getattr(result(LoRe(3)), name))
        assert not torch.equal(getattr(found[0], name), getattr(found[1], name))


def test_shots_are_drawn_anew_for_every_seed():
    """In one world and with one model, another seed asks for the pairs in another order."""
    found = BENCHMARK.run({"only": PerUser()}, {0: study(), 1: study()}, "cpu")
    assert torch.equal(found[0].seen, found[1].seen)
    assert not torch.equal(found[0].curve[0], found[1].curve[0])


@pytest.mark.parametrize("name", CEILINGS)
def test_a_ceiling_gives_one_result_per_seed_in_their_order(name):
    found = CEILINGS[name].results({seed: study(seed) for seed in (1, 0)}, BENCHMARK)
    assert [one.about["seed"] for one in found] == [1, 0]
    for one, seed in zip(found, (1, 0), strict=True):
        alone = CEILINGS[name].result(study(seed), BENCHMARK)
        assert torch.equal(one.utility, alone.utility) and torch.equal(one.seen, alone.seen)


def test_with_another_users_shots_a_personal_method_does_worse_and_a_common_one_the_same():
    lore, common = result(LoRe(3)), result(TRAIT)
    assert lore.control.mean() < lore.curve[2].mean() - 0.1
    assert torch.equal(common.control, common.curve[2, 0])


def test_the_control_gives_everybody_somebody_elses():
    """Everybody's own column is the truth, so others' are as good only by chance."""
    world = study()
    model = LoRe(3).fit(world.responses, world.train, device="cpu")
    own = model.adapt(world.responses, world.shots)
    control = another_users(model, world, own)
    given = other_users(own, random(0))
    assert (given != own).any(1).all()
    expected = accuracy(model, world.responses, world.tests[UNSEEN], given)
    torch.testing.assert_close(control, expected)


def test_known_tastes_are_nearly_perfect_where_traits_are_linear_in_the_embedding():
    found = known_tastes(study(), BENCHMARK)
    assert found.seen.mean() > 0.98 and found.curve.mean() > 0.98
    assert found.curve.shape == (3, 2, 12) and torch.equal(found.curve[0], found.curve[2])
    assert found.control.mean() < 0.9
    best = perfect_observer(study(), BENCHMARK).utility
    torch.testing.assert_close(found.utility, best, atol=0.01, rtol=0.01)


def test_known_tastes_know_traits_from_seen_prompts_only():
    world = study()
    unseen = ~torch.isin(world.responses.prompt, world.prompts.train)
    traits = world.responses.traits.clone()
    traits[unseen] = -traits[unseen]
    turned = replace(world, responses=replace(world.responses, traits=traits))
    torch.testing.assert_close(
        known_tastes(turned, BENCHMARK).seen, known_tastes(world, BENCHMARK).seen
    )


def test_nobody_gives_more_than_a_perfect_observer():
    best = perfect_observer(study(), BENCHMARK)
    assert (best.seen == 1).all() and (best.curve == 1).all() and best.control.isnan().all()
    assert best.seen.shape == (20,) and best.curve.shape == (3, 2, 12)
    for method in (TRAIT, MeanDifference(), bradley_terry(), LoRe(3)):
        assert (result(method).utility <= best.utility).all()
    assert (known_tastes(study(), BENCHMARK).utility <= best.utility).all()
    assert result(TRAIT).utility.mean() < result(LoRe(3)).utility.mean() < best.utility.mean()


def test_a_benchmark_draws_the_same_crowd_for_every_method_and_another_for_another_seed():
    again, world = CROWD.study(study().responses, seed=0), study()
    other = study(1)
    assert not torch.equal(other.tastes, world.tastes)
    assert not torch.equal(other.prompts.test, world.prompts.test)
    assert torch.equal(again.tastes, world.tastes)
    assert torch.equal(again.train.chosen, world.train.chosen)
    assert [set(p.counts.tolist()) for p in (world.train, world.shots)] == [{15}, {9}]
    assert (world.train.n_users, world.shots.n_users) == (20, 12)


def test_a_benchmark_names_its_data(tmp_path):
    """Another data set is another name: here a file of a reader's own."""
    path = tmp_path / "own.safetensors"
    saved.write(path, study().responses)
    own = replace(BENCHMARK, data=str(path), seeds=(1, 0)).studies()
    assert [*own] == [1, 0]
    assert torch.equal(own[0].responses.embeddings, study().responses.embeddings)
    for seed in own:
        assert torch.equal(own[seed].train.chosen, study(seed).train.chosen)
    with pytest.raises(ValueError, match="holds no preferences of real people; name a crowd"):
        replace(BENCHMARK, data=str(path), crowd=None).study(0)


def test_a_benchmark_is_read_from_what_a_job_is_told():
    assert Benchmark.read(json.loads(json.dumps(asdict(BENCHMARK)))) == BENCHMARK
    real = replace(BENCHMARK, crowd=None)
    assert Benchmark.read(json.loads(json.dumps(asdict(real)))) == real


def test_a_benchmark_that_cannot_be_run_is_refused():
    with pytest.raises(ValueError, match=r"shots is 5, expected one of the counts \(1, 3, 9\)"):
        replace(BENCHMARK, shots=5)
    with pytest.raises(ValueError, match="but a new user has a pool of 8 pairs"):
        replace(BENCHMARK, crowd=replace(CROWD, pool=8))
    with pytest.raises(ValueError, match="counts is .*, expected every one of them once"):
        replace(BENCHMARK, counts=(1, 1, 9), shots=9)
    with pytest.raises(ValueError, match="one of seeds is -1, expected a whole number"):
        replace(BENCHMARK, seeds=(0, -1))
    with pytest.raises(ValueError, match="seeds is .0, 0., expected every one of them once"):
        replace(BENCHMARK, seeds=(0, 0))
    for seeds in ((), 0, "0"):
        with pytest.raises(ValueError, match="seeds is .*, expected a list of whole numbers"):
            replace(BENCHMARK, seeds=seeds)
    with pytest.raises(ValueError, match="crowd is a dict, expected Crowd"):
        replace(BENCHMARK, crowd={})
    with pytest.raises(ValueError, match=r"got the settings \['crowd', 'data'\], expected"):
        Benchmark.read({"data": "alpaca_eval", "crowd": None})
    told = asdict(BENCHMARK)
    without = {name: value for name, value in told.items() if name != "crowd"}
    with pytest.raises(ValueError, match="a Benchmark got the settings"):
        Benchmark.read(without)
    for crowd in (told["crowd"] | {"mood": 1}, {"concentration": 0.1}):
        with pytest.raises(ValueError, match="a Crowd got the settings .*'concentration'"):
            Benchmark.read(told | {"crowd": crowd})


@pytest.mark.parametrize(
    "make", [lambda: result(TRAIT), lambda: perfect_observer(study(), BENCHMARK)]
)
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


# --- the registry ------------------------------------------------------------------------------

FULL = yaml.safe_load((ROOT / "profiles" / "full.yaml").read_text())


def test_every_method_has_a_name_of_its_own():
    names = [entry.name for entry in (*REGISTRY.values(), *CEILINGS.values())]
    assert len(set(names)) == len(names) == len(REGISTRY) + len(CEILINGS)


@pytest.mark.parametrize("name", [name for name in FULL["methods"] if name in REGISTRY])
def test_in_the_full_comparison_everybody_has_seven_to_nine_candidates_or_is_as_published(name):
    alone = name.endswith(("_published", "_defects")) or name in ("reference", "mean_difference")
    candidates = REGISTRY[name].candidates
    assert len(set(map(str, candidates.values()))) == len(candidates)
    assert len(candidates) == 1 if alone else 7 <= len(candidates) <= 9


@pytest.mark.parametrize("name", REGISTRY)
def test_a_label_says_the_settings_that_tell_a_candidate_from_the_others(name):
    """A label such as "rank 6, rate 0.001" names fields and their values."""
    candidates = REGISTRY[name].candidates
    for label, method in candidates.items() if len(candidates) > 1 else ():
        for setting in label.split(", "):
            assert setting.replace(" ", "=", 1) in str(method)


def test_vpl_as_published_is_among_the_candidates_of_vpl():
    published = REGISTRY["vpl_published"].candidates[PUBLISHED]
    assert published in REGISTRY["vpl"].candidates.values()


def test_methods_of_one_family_share_a_colour():
    families = {}
    for entry in REGISTRY.values():
        families.setdefault(entry.name.split(",")[0], set()).add(entry.colour)
    assert families.pop("LoRe") == {palette.BLUE, palette.BLACK}  # ours, and the paper's recipe
    assert all(len(colours) == 1 for colours in families.values())


def test_the_full_comparison_names_methods_that_there_are_once_each():
    named = FULL["methods"] + FULL["asides"]
    assert len(set(named)) == len(named) and set(named) <= {*REGISTRY, *CEILINGS}
