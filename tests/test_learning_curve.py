"""Few-shot curves: the same orders cut after more and more pairs, and everybody adapted at once."""

import math
from functools import cache

import pytest
import torch
from worlds import pairs, planted, random, toy_pairs, triples

from lore_core import accuracy
from lore_core.evaluation.learning_curve import few_shot_accuracy, few_shots, mean_shots
from lore_core.evaluation.study import BLOCKS
from lore_core.methods import LoRe

COUNTS, REPEATS, USERS = [0, 1, 3, 7], 4, 5
study = cache(planted)


def pool():
    return toy_pairs(n_users=USERS, n_pairs=9 * USERS)


def shots(counts=COUNTS, seed=0):
    return few_shots(pool(), counts, REPEATS, random(seed))


def of(some, at, order, user):
    """The (chosen, rejected) that one user gives in one order, as documented."""
    mine = some.user == (at * REPEATS + order) * USERS + user
    return {pair[1:] for pair in triples(some.select(mine))}


def everybody():
    return [(order, user) for order in range(REPEATS) for user in range(USERS)]


def test_everybody_gives_exactly_as_many_pairs_as_said():
    assert shots().n_users == len(COUNTS) * REPEATS * USERS
    assert shots().counts.view(len(COUNTS), -1).tolist() == [[n] * 20 for n in COUNTS]


def test_pairs_are_those_of_the_user_whose_number_stands_last():
    for order, user in everybody():
        own = {pair[1:] for pair in triples(pool()) if pair[0] == user}
        for at, n in enumerate(COUNTS):
            given = of(shots(), at, order, user)
            assert given <= own and len(given) == n


def test_few_pairs_are_the_first_of_many():
    for order, user in everybody():
        nested = [of(shots(), at, order, user) for at in range(len(COUNTS))]
        assert nested[0] < nested[1] < nested[2] < nested[3]


def test_orders_differ_and_repeat_with_their_generator():
    for user in range(USERS):
        assert len({frozenset(of(shots(), 3, order, user)) for order in range(REPEATS)}) > 1
    assert triples(shots()) == triples(shots()) != triples(shots(seed=1))


def test_other_counts_are_cuts_of_the_same_orders():
    for order, user in everybody():
        assert of(shots([3]), 0, order, user) == of(shots(), 2, order, user)


def test_every_pair_is_as_often_the_first():
    some = few_shots(pool(), [1], 2000, random(0))
    assert len(some) == 2000 * USERS
    first = torch.tensor(
        [
            int(((some.chosen == c) & (some.rejected == r) & (some.user % USERS == u)).sum())
            for u, c, r in triples(pool())
        ]
    )
    four_standard_errors = 4 * math.sqrt(1 / 9 * 8 / 9 / 2000)
    assert (first / 2000 - 1 / 9).abs().max() < four_standard_errors


def uneven():
    """Users of two pairs, of one and of none."""
    return pairs((0, 0, 1), (0, 2, 1), (1, 3, 1), n_users=3)


def test_a_user_with_fewer_pairs_than_a_count_gives_all_of_them():
    given = few_shots(uneven(), [0, 1, 2], 2, random(0))
    assert given.counts.view(3, 2, 3).tolist() == [
        [[0, 0, 0]] * 2,
        [[1, 1, 0]] * 2,
        [[2, 1, 0]] * 2,
    ]
    for copy in range(4 * 3, 6 * 3):  # everybody's two shots, in both orders
        mine = {pair[1:] for pair in triples(given) if pair[0] == copy}
        assert mine == {pair[1:] for pair in triples(uneven()) if pair[0] == copy % 3}


def test_the_mean_number_of_shots_counts_what_users_really_give():
    assert [mean_shots(uneven(), n) for n in (0, 1, 2)] == pytest.approx([0, 2 / 3, 1])


def test_more_shots_than_anybody_has_are_refused():
    with pytest.raises(ValueError, match="pairs that a user has are 2, but 3 shots are asked for"):
        few_shots(uneven(), [1, 3], 3, random(0))


def test_a_count_is_needed():
    with pytest.raises(ValueError, match="counts is empty"):
        few_shots(uneven(), [], 3, random(0))


class Witness:
    """A model that remembers which pairs it was adapted to."""

    def __init__(self, model):
        self.model = model
        self.margins = model.margins

    def adapt(self, responses, shots, seed):
        self.shots = shots
        return self.model.adapt(responses, shots, seed)


def test_everybody_at_once_is_everybody_one_after_another():
    world, counts = study(), [0, 2, 9]
    model = LoRe(3).fit(world.responses, world.train, device="cpu")
    tests, witness = world.tests[BLOCKS[3]], Witness(model)
    found, personal = few_shot_accuracy(witness, world.responses, world.shots, tests, counts, 2, 7)
    assert found.shape == (3, 2, 20) and personal.shape == (3, 2, 20, 3)
    for at in range(3):
        for order in range(2):
            first = (at * 2 + order) * 20
            given = witness.shots.of_users(torch.arange(first, first + 20))
            alone = model.adapt(world.responses, given)
            torch.testing.assert_close(personal[at, order], alone, rtol=1e-6, atol=1e-6)
            expected = accuracy(model, world.responses, tests, alone)
            torch.testing.assert_close(found[at, order], expected)


def test_curves_repeat_with_their_seed_and_differ_between_seeds():
    world = study()
    model = LoRe(3).fit(world.responses, world.train, device="cpu")
    tests = world.tests[BLOCKS[3]]
    one, again, other = (
        few_shot_accuracy(model, world.responses, world.shots, tests, [2], 2, seed)[1]
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_more_pairs_predict_better_and_none_are_the_crowd():
    world = study()
    model = LoRe(3).fit(world.responses, world.train, device="cpu")
    tests = world.tests[BLOCKS[3]]
    found, personal = few_shot_accuracy(model, world.responses, world.shots, tests, [0, 2, 9], 3, 0)
    nobody, few, many = found.mean((1, 2))
    assert nobody < few < many and many > 0.9
    torch.testing.assert_close(personal[0], model.crowd.expand(3, 20, -1))
