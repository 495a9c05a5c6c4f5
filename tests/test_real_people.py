"""A study of real people: no traits, no tastes, and everybody gave as many pairs as they liked.

The people here are made: 60 of them, with 8 to 60 pairs each on 120 prompts, who choose noisily by
a planted basis. What is tested sees their pairs alone.
"""

from dataclasses import asdict, replace
from functools import cache

import pytest
import torch
from worlds import people, random

from lore_core import Preferences, Responses
from lore_core.datasets import saved
from lore_core.evaluation.benchmark import Benchmark
from lore_core.evaluation.ceilings import CEILINGS
from lore_core.evaluation.selection import select
from lore_core.evaluation.study import BLOCKS, SEEN, UNSEEN, Study
from lore_core.methods import LoRe, PerUser, Reference, bradley_terry
from lore_core.methods.registry import REGISTRY
from lore_core.splits import hold_out

CANDIDATES = {"rank 2": LoRe(2), "rank 3": LoRe(3)}
PARTS = ("train", "validation", "shots", "validation_shots", "validation_tests")


@cache
def study():
    return Study.of(*people(), seed=0)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    path = tmp_path_factory.mktemp("people") / "people.safetensors"
    saved.write(path, *people())
    counts = (1, 3, 9)
    return Benchmark(data=str(path), crowd=None, counts=counts, repeats=2, shots=3, seeds=(0,))


def everything():
    """Every part of the study with whose and which prompts' it is."""
    world = study()
    return [
        (world.train, world.users.train, world.prompts.train),
        (world.validation, world.users.train, world.prompts.validation),
        (world.shots, world.users.test, world.prompts.train),
        (world.tests[BLOCKS[0]], world.users.train, world.prompts.train),
        (world.tests[SEEN], world.users.train, world.prompts.test),
        (world.tests[BLOCKS[2]], world.users.test, world.prompts.train),
        (world.tests[UNSEEN], world.users.test, world.prompts.test),
        (world.validation_shots, world.users.validation, world.prompts.train),
        (world.validation_tests, world.users.validation, world.prompts.validation),
    ]


def triples(pairs, ids):
    """(person, chosen, rejected) of every pair, by the numbers of the data set."""
    columns = ids[pairs.user].tolist(), pairs.chosen.tolist(), pairs.rejected.tolist()
    return set(zip(*columns, strict=True))


def test_the_people_gave_unequally_many_pairs():
    _, preferences = people()
    assert preferences.n_users == 60
    assert preferences.counts.min() == 8 and preferences.counts.max() == 60


def test_every_pair_is_somebodys_who_gave_it_and_no_pair_is_in_two_parts():
    _, preferences = people()
    given = triples(preferences, torch.arange(60))
    parts = [triples(pairs, ids) for pairs, ids, _ in everything()]
    assert set.union(*parts) <= given
    assert sum(map(len, parts)) == len(set.union(*parts))


def test_every_part_keeps_to_its_prompts():
    for pairs, _, prompts in everything():
        for side in (pairs.chosen, pairs.rejected):
            assert torch.isin(study().responses.prompt[side], prompts).all()


def test_nobody_is_tested_on_a_prompt_that_they_learned_from():
    world = study()
    for learned, tested in ((world.train, 0), (world.shots, 2)):
        asked = [
            {*zip(p.user.tolist(), world.responses.prompt[p.chosen].tolist(), strict=True)}
            for p in (learned, world.tests[BLOCKS[tested]])
        ]
        assert asked[1] and not asked[0] & asked[1]


def test_one_seed_repeats_and_two_differ():
    again, other = Study.of(*people(), seed=0), Study.of(*people(), seed=1)
    assert torch.equal(again.users.test, study().users.test)
    assert torch.equal(again.train.chosen, study().train.chosen)
    assert not torch.equal(other.users.test, study().users.test)


def test_people_without_pairs_are_left_out():
    responses, some = people()
    more = Preferences(some.user * 2, some.chosen, some.rejected, 2 * some.n_users)
    users = Study.of(responses, more, seed=0).users
    assert sorted(torch.cat([*users.parts.values()]).tolist()) == list(range(0, 120, 2))


def between_items(both_ways):
    """Pairs between prompts, as ratings give them; perhaps each also the other way round."""
    responses, some = people()
    order = torch.randperm(len(some), generator=random(1))
    mixed = some.rejected[order]
    keep = responses.prompt[some.chosen] != responses.prompt[mixed]
    sides = some.chosen[keep], mixed[keep]
    user, chosen, rejected = some.user[keep], *sides
    if both_ways:
        user, chosen, rejected = user.repeat(2), torch.cat(sides), torch.cat(sides[::-1])
    return responses, Preferences(user, chosen, rejected, some.n_users)


@pytest.mark.parametrize("both_ways", [False, True])
def test_nobody_is_tested_on_a_prompt_of_a_pair_between_prompts_either(both_ways):
    world = Study.of(*between_items(both_ways), seed=0, validation=0.2, held_out=0.5)
    for learned, block in ((world.train, 0), (world.shots, 2)):
        seen, tested = (
            {
                (u, q)
                for side in (p.chosen, p.rejected)
                for u, q in zip(p.user.tolist(), world.responses.prompt[side].tolist(), strict=True)
            }
            for p in (learned, world.tests[BLOCKS[block]])
        )
        assert tested and not seen & tested


def test_everybody_in_a_study_has_a_pair_to_learn_from():
    """Of people who were asked about other prompts alone nothing could be known."""
    responses, some = people()
    more = Preferences(some.user * 9 + some.chosen % 9, some.chosen, some.rejected, 540)
    mixed = Study.of(*between_items(True), 0, validation=0.2)
    for world in (study(), Study.of(responses, more, 0), mixed):
        for pairs in (world.train, world.shots, world.validation_shots):
            assert pairs.counts.min() > 0


@pytest.mark.parametrize("share", [0.3, 0.999999999])
def test_whatever_share_is_held_out_everybody_keeps_something_to_learn_from(share):
    learned, held = hold_out(*people(), share, random(0))
    asked = people()[1].counts
    assert (learned.counts == asked - (share * asked.double()).long()).all()
    assert torch.equal(held.counts, asked - learned.counts) and learned.counts.min() > 0


@pytest.mark.parametrize("seed", range(10))
def test_somebody_whose_pairs_all_share_a_prompt_keeps_them(seed):
    """Held out, that prompt would leave nothing to learn from."""
    responses = Responses(torch.eye(6).double(), torch.arange(6))
    star = Preferences(user=[0] * 5, chosen=[0] * 5, rejected=[1, 2, 3, 4, 5], n_users=1)
    learned, tested = hold_out(responses, star, 0.5, random(seed))
    assert len(learned) in (2, 5) and len(tested) == 0


def test_a_pair_between_prompts_of_two_parts_is_left_out():
    """Ratings make such pairs; the unseen prompt would have been seen."""
    responses, some = people()
    turned = some.rejected.roll(1)
    keep = turned != some.chosen
    mixed = Preferences(some.user[keep], some.chosen[keep], turned[keep], some.n_users)
    world = Study.of(responses, mixed, seed=0, validation=0.2)
    for pairs in (world.train, *world.tests.values()):
        prompts = world.responses.prompt[torch.stack([pairs.chosen, pairs.rejected])]
        parts = torch.stack([torch.isin(prompts, ids) for ids in world.prompts.parts.values()])
        assert parts.all(1).any(0).all()


@pytest.mark.parametrize(
    ("few", "message"),
    [
        (lambda r, p: (r, p.of_users(torch.arange(2))), "too few users: .*leaves none for"),
        (
            lambda r, p: (r, p.select(r.prompt[p.chosen] < 2)),
            "too few prompts: .*leaves none for",
        ),
    ],
    ids=["two people", "two prompts"],
)
def test_too_few_people_or_prompts_are_said(few, message):
    with pytest.raises(ValueError, match=message):
        Study.of(*few(*people()), seed=0)


def test_what_a_method_reads_has_to_be_there(benchmark):
    responses = benchmark.study(0).responses
    with pytest.raises(ValueError, match="PAL-B, matched reads prompt_embeddings, which these"):
        REGISTRY["pal_b"].check(responses)
    REGISTRY["lore"].check(responses)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(ValueError, match="held_out is"):
        Study.of(*people(), seed=0, held_out=share)
    with pytest.raises(ValueError, match="leave no train part|choose shares"):
        Study.of(*people(), seed=0, test=share)


def test_selection_works_on_real_people():
    found = select(CANDIDATES, {0: study()}, shots=3, device="cpu")
    assert found.label == max(found.scores, key=found.scores.get)
    assert min(found.scores.values()) > 0.55


def test_at_a_count_that_somebody_does_not_reach_they_give_all_they_have(benchmark):
    (result,) = benchmark.run({"only": bradley_terry()}, benchmark.studies(), "cpu")
    given = result.about["pairs of an unseen user"]
    fewest = int(study().shots.counts.min())
    assert given[0] == 1 and fewest < 9 and given[2] < 9
    assert result.curve.shape == (3, 2, study().shots.n_users)
    assert result.about["pairs of a seen user"] == float(study().train.counts.double().mean())


def test_personal_methods_find_what_was_planted(benchmark):
    """Somebody else's weights predict worse than one's own."""
    (result,) = benchmark.run(CANDIDATES, benchmark.studies(), "cpu")
    assert result.seen.nanmean() > 0.6
    assert result.control.nanmean() < result.curve[1].nanmean()


def test_what_needs_the_truth_says_so(benchmark):
    (result,) = benchmark.run({"only": PerUser()}, benchmark.studies(), "cpu")
    assert result.utility.isnan().all()
    for ceiling in CEILINGS.values():
        with pytest.raises(ValueError, match="no tastes or no traits: a ceiling needs synthetic"):
            ceiling.results(benchmark.studies(), benchmark)
    with pytest.raises(ValueError, match="trait 'judge' is not among"):
        Reference().fit(study().responses, study().train)


def test_the_benchmark_of_real_people_is_that_of_their_file(benchmark):
    assert torch.equal(benchmark.study(0).train.chosen, study().train.chosen)
    assert asdict(benchmark)["crowd"] is None
    with pytest.raises(ValueError, match="holds no preferences of real people"):
        replace(benchmark, data="alpaca_eval").study(0)


def test_each_seed_of_a_benchmark_splits_the_people_differently(benchmark):
    studies = replace(benchmark, seeds=(0, 1)).studies()
    assert not torch.equal(studies[0].users.test, studies[1].users.test)
    results = replace(benchmark, seeds=(0, 1)).run({"only": bradley_terry()}, studies, "cpu")
    assert not torch.equal(results[0].seen, results[1].seen)


def test_the_order_in_which_people_are_listed_does_not_change_what_they_said():
    """Shuffled pairs are the same people: splits are by id, not by place."""
    responses, some = people()
    order = torch.randperm(len(some), generator=random(0))
    shuffled = Study.of(Responses(responses.embeddings, responses.prompt), some.select(order), 0)
    assert torch.equal(shuffled.users.test, study().users.test)
    assert triples(shuffled.tests[UNSEEN], shuffled.users.test) == triples(
        study().tests[UNSEEN], study().users.test
    )
