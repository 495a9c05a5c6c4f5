"""A study keeps learning and testing apart, and works without a vector per pair."""

import hashlib
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from worlds import normal, planted, toy_responses, triples, true_basis

from lore_core import LowRankReward, Recipe, Responses, accuracy, fit_basis, fit_weights
from lore_core.evaluation.study import BLOCKS, four_blocks
from lore_core.evaluation.synthetic import Crowd, consecutive, draw_study
from lore_core.recipes import FEW_SHOT, PAPER_FEW_SHOT
from lore_core.simulation.labels import choice_probability
from lore_core.simulation.tastes import utilities


@pytest.fixture(scope="module")
def study():
    return planted(n_users=30, n_pairs=25, n_shots=5)


def prompts_of(study, pairs):
    """(user, prompt) of every pair."""
    return set(zip(pairs.user.tolist(), study.responses.prompt[pairs.chosen].tolist(), strict=True))


def everything(study):
    """All sets of pairs by name."""
    names = ("train", "validation", "shots", "validation_shots", "validation_tests")
    return {name: getattr(study, name) for name in names} | study.tests


def test_everybody_is_asked_as_often_as_said(study):
    counts = {name: set(pairs.counts.tolist()) for name, pairs in everything(study).items()}
    assert counts == {
        "train": {25},
        "validation": {5},  # half of the 10 validation prompts
        "shots": {5},
        "validation_shots": {5},
        "validation_tests": {5},
    } | {block: {20} for block in BLOCKS}


def test_blocks_come_in_order_and_with_their_users(study):
    assert tuple(study.tests) == BLOCKS
    assert [pairs.n_users for pairs in study.tests.values()] == [30, 30, 20, 20]
    assert study.validation_shots.n_users == study.validation_tests.n_users == 20
    assert [len(p) for p in (study.users.train, study.users.validation, study.users.test)] == [
        30,
        20,
        20,
    ]
    assert len(study.tastes) == 70


def test_prompts_are_split_60_10_30(study):
    prompts = study.prompts
    assert [len(p) for p in (prompts.train, prompts.validation, prompts.test)] == [60, 10, 30]


@pytest.mark.parametrize(
    ("name", "pool"),
    [
        ("train", "train"),
        ("shots", "train"),
        ("validation", "validation"),
        ("validation_shots", "train"),
        ("validation_tests", "validation"),
        (BLOCKS[0], "train"),
        (BLOCKS[1], "test"),
        (BLOCKS[2], "train"),
        (BLOCKS[3], "test"),
    ],
)
def test_pairs_come_from_the_prompts_they_should(study, name, pool):
    asked = {prompt for _, prompt in prompts_of(study, everything(study)[name])}
    assert asked <= set(getattr(study.prompts, pool).tolist())


def test_nobody_is_tested_on_a_prompt_they_learned_from(study):
    for learned, block in ((study.train, BLOCKS[0]), (study.shots, BLOCKS[2])):
        assert not prompts_of(study, learned) & prompts_of(study, study.tests[block])


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("train", "train"),
        ("shots", "test"),
        ("validation_shots", "validation"),
        (BLOCKS[3], "test"),
    ],
)
def test_labels_follow_the_tastes_of_the_users_they_are_said_to_be_of(study, name, group):
    tastes = study.tastes[getattr(study.users, group)]
    sure = choice_probability(study.responses, tastes, everything(study)[name], 1e-6)
    assert (sure == 1).all()


def test_a_temperature_makes_noisy_labels():
    noisy = planted(n_users=30, temperature=1.0)
    expected = choice_probability(noisy.responses, noisy.tastes[:30], noisy.train, 1.0)
    assert 0.05 < float((expected < 0.5).double().mean()) < 0.5


NOISE_FREE, NOISY = {}, {"temperature": 1.0}
KINDS = [
    options | {"pairs": pairs} for options in (NOISE_FREE, NOISY) for pairs in ("extreme", "random")
]


def kind(options):
    return " ".join(map(str, options.values()))


def share_of_extremes(study):
    """How many of the seen users' pairs are of their best and their worst candidate."""
    responses, pairs = study.responses, study.train
    rows = responses.candidates_of(responses.prompt[pairs.chosen])
    tastes = study.tastes[study.users.train]
    scores = torch.stack([utilities(responses, tastes, pairs.user, row) for row in rows.T], 1)
    asked = [utilities(responses, tastes, pairs.user, r) for r in (pairs.chosen, pairs.rejected)]
    gap = (asked[0] - asked[1]).abs()
    return float((gap >= scores.amax(1) - scores.amin(1) - 1e-9).double().mean())


@pytest.mark.parametrize(
    ("options", "digest"),
    [(NOISE_FREE, "9cd8b0a506b5468e"), (NOISY, "1a0483d609ddbae5")],
    ids=["noise-free", "noisy"],
)
def test_studies_that_do_not_name_their_pairs_are_drawn_as_ever(options, digest):
    drawn = everything(planted(n_users=30, **options)).values()
    table = torch.cat([torch.stack([p.user, p.chosen, p.rejected]) for p in drawn], 1)
    assert hashlib.sha256(table.numpy().astype("<i8").tobytes()).hexdigest().startswith(digest)


@pytest.mark.parametrize("options", KINDS, ids=kind)
def test_only_random_pairs_are_not_all_extremes(options):
    share = share_of_extremes(planted(n_users=30, **options))
    # one in six pairs of four candidates is the extreme one
    assert share == 1 if options["pairs"] == "extreme" else 0.1 < share < 0.25


@pytest.mark.parametrize("pairs", ["extreme", "random"])
def test_without_noise_everybody_chooses_what_is_better_for_them(pairs):
    study = planted(n_users=30, pairs=pairs)
    of = {
        "train": "train",
        "validation": "train",
        "shots": "test",
        "validation_tests": "validation",
    }
    for name, group in of.items():
        tastes, asked = study.tastes[getattr(study.users, group)], getattr(study, name)
        better = utilities(study.responses, tastes, asked.user, asked.chosen)
        assert (better > utilities(study.responses, tastes, asked.user, asked.rejected)).all()


@pytest.mark.parametrize("pairs", ["extreme", "random"])
def test_labels_are_flipped_as_often_as_the_bradley_terry_rule_says(pairs):
    study = planted(n_users=120, temperature=0.5, pairs=pairs)
    chance = choice_probability(study.responses, study.tastes[:120], study.train, 0.5)
    expected = torch.minimum(chance, 1 - chance)
    error = float((expected * (1 - expected)).sum().sqrt()) / len(expected)
    flipped = float((chance < 0.5).double().mean())
    assert 0.02 < flipped == pytest.approx(float(expected.mean()), abs=4 * error)


@pytest.mark.parametrize("options", KINDS, ids=kind)
def test_every_kind_of_pairs_repeats_with_its_seed(options):
    sizes = {"concentration": 0.1, "n_seen": 8, "n_unseen": 4, "n_pairs": 5, "pool": 3}
    crowd, world = Crowd(**sizes, **options), toy_responses(n_prompts=200)
    one, again, other = (everything(crowd.study(world, seed)) for seed in (0, 0, 1))
    for name, pairs in one.items():
        assert triples(pairs) == triples(again[name]) != triples(other[name])


@pytest.mark.parametrize("options", [NOISE_FREE, *KINDS], ids=kind)
def test_a_crowd_draws_the_study_that_draw_study_draws(options):
    sizes = {"concentration": 0.1, "n_seen": 8, "n_unseen": 4, "n_pairs": 5}
    world = toy_responses(n_prompts=200)
    one = Crowd(**sizes, pool=3, **options).study(world, 0)
    other = draw_study(world, **sizes, n_shots=3, seed=0, **options)
    assert all(triples(p) == triples(everything(other)[n]) for n, p in everything(one).items())


def test_a_seed_repeats_and_another_differs(study):
    again, other = (planted(n_users=30, n_pairs=25, n_shots=5, seed=s) for s in (0, 1))
    for name, pairs in everything(study).items():
        assert (
            triples(pairs) == triples(everything(again)[name]) != triples(everything(other)[name])
        )


def test_too_few_prompts_are_said():
    with pytest.raises(
        ValueError, match="asked for 70 different prompts per user, .* only 60 .*fewer"
    ):
        planted(n_pairs=50)


def test_too_few_prompts_to_validate_on_are_said():
    with pytest.raises(
        ValueError, match="the prompts leave 1 for validation .*, expected at least 2"
    ):
        sizes = dict(n_seen=3, n_unseen=3, n_pairs=1, n_shots=1, n_tests=1)
        draw_study(toy_responses(n_prompts=10), 1.0, **sizes, seed=0)


def test_responses_without_traits_are_refused():
    without = Responses(toy_responses().embeddings, toy_responses().prompt)
    with pytest.raises(ValueError, match="no traits"):
        draw_study(without, 1.0, n_seen=3, n_unseen=3, n_pairs=1, n_shots=1, seed=0, n_tests=1)


def test_consecutive_groups():
    users = consecutive(2, 1, 3)
    assert [part.tolist() for part in (users.train, users.validation, users.test)] == [
        [0, 1],
        [2],
        [3, 4, 5],
    ]
    assert users.how.startswith("2 / 1 / 3 in order")


def test_four_blocks_score_seen_users_with_their_weights_and_unseen_users_with_theirs():
    """The truth scores 1: seen users mix the first three columns, unseen users the last three."""
    study, none = planted(n_users=20), torch.zeros(20, 3)
    truth = LowRankReward(torch.cat([true_basis(study)] * 2, 1), torch.zeros(1, 6).double())
    seen = torch.cat([study.tastes[study.users.train], none], 1)
    unseen = torch.cat([none, study.tastes[study.users.test]], 1)
    scores = four_blocks(study, truth, seen, unseen)
    assert tuple(scores) == BLOCKS
    assert all((per_user == 1).all() and len(per_user) == 20 for per_user in scores.values())


class Largest(TorchDispatchMode):
    """Remembers the most numbers that any operation's tensor stores, forwards or backwards."""

    size = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_flatten(out)[0] if isinstance(leaf, torch.Tensor)]
        self.size = max([self.size, *map(stored, made)])
        return out


def stored(tensor):
    """A sparse tensor stores what is not zero."""
    return tensor.values().numel() if tensor.layout == torch.sparse_csr else tensor.numel()


@pytest.fixture(scope="module")
def wide():
    """A world in which a vector per pair, (B, d), is nine times the embeddings, (M, d)."""
    return toy_responses(n_prompts=360, n_candidates=4, n_features=48, n_traits=4)


def draw(responses):
    return draw_study(responses, 0.1, 120, 30, n_pairs=100, n_shots=9, seed=0, n_tests=20)


def test_a_study_is_drawn_without_a_vector_per_pair(wide):
    with Largest() as made:
        pairs = draw(wide).train
    assert made.size <= wide.embeddings.numel() < len(pairs) * 48 / 8


@pytest.mark.parametrize(
    "rescale",
    [
        False,
        True,
    ],
)
def test_a_basis_is_fitted_without_a_vector_per_pair(wide, rescale):
    study, recipe = draw(wide), Recipe(steps=2, rescale=rescale)
    with Largest() as made:
        fit_basis(wide, study.train, 5, recipe, validation=study.validation, device="cpu")
    assert made.size <= wide.embeddings.numel()


@pytest.mark.parametrize("recipe", [FEW_SHOT, PAPER_FEW_SHOT], ids=["newton", "paper"])
def test_weights_are_fitted_and_scored_without_a_vector_per_pair(wide, recipe):
    """Index, don't copy; score once."""
    pairs, reward = draw(wide).train, LowRankReward(normal(48, 5), normal(120, 5))
    with Largest() as made:
        weights = fit_weights(reward, wide, pairs, replace(recipe, steps=20), device="cpu")
        accuracy(reward, wide, pairs, weights)
    assert made.size <= wide.embeddings.numel()


def test_the_four_blocks_are_scored_without_a_vector_per_pair(wide):
    study, weights = draw(wide), normal(120, 5).softmax(1)
    with Largest() as made:
        four_blocks(study, LowRankReward(normal(48, 5), normal(120, 5)), weights, weights[:30])
    assert made.size <= wide.embeddings.numel()


# --- users who find all candidates of a prompt equal ---------------------------------------------


def often_tied(share=0.4):
    """Responses on which somebody who cares for one trait alone finds many prompts undecided."""
    some = toy_responses(n_prompts=120)
    tied = some.prompt < share * 120
    return replace(some, traits=torch.where(tied[:, None], 0.5, some.traits))


def specialists(responses, **sizes):
    """Users who care for one trait, and how they are asked."""
    sizes = {"n_seen": 12, "n_unseen": 6, "n_pairs": 15, "n_shots": 9, "n_tests": 10} | sizes
    return draw_study(responses, 0.01, seed=3, **sizes)


@pytest.mark.parametrize("options", KINDS, ids=kind)
def test_everybody_gives_as_many_pairs_as_asked_for(options):
    study = specialists(often_tied(), **options)
    assert set(study.train.counts.tolist()) == {15}
    assert set(study.shots.counts.tolist()) == set(study.validation_shots.counts.tolist()) == {9}
    assert all(set(pairs.counts.tolist()) == {10} for pairs in study.tests.values())


@pytest.mark.parametrize("options", KINDS[:3], ids=kind)  # noisy random pairs may be of equals
def test_no_prompt_is_asked_twice_and_none_of_them_is_undecided(options):
    responses = often_tied()
    study = specialists(responses, **options)
    for block, learned in (
        ("seen users, seen prompts", "train"),
        ("unseen users, seen prompts", "shots"),
    ):
        both = study.tests[block], getattr(study, learned)
        for user in range(both[0].n_users):
            asked = [responses.prompt[p.chosen[p.user == user]] for p in both]
            asked = torch.cat(asked)
            assert len(asked.unique()) == len(asked) and int(asked.min()) >= 0.4 * 120


def test_of_validation_prompts_which_are_few_a_user_may_like_fewer():
    counts = specialists(often_tied(0.7), n_pairs=3, n_shots=2, n_tests=6).validation.counts
    assert 0 < int(counts.min()) <= int(counts.max()) <= 6


def test_too_few_prompts_that_a_user_can_decide_are_said_before_anything_is_learned():
    with pytest.raises(ValueError, match="12 of 12 users have fewer than 15 pairs.*ask for fewer"):
        specialists(often_tied(0.85))
