"""Few-shot curves: the same orders cut after more and more pairs, and everybody adapted at once."""

from functools import cache

import pytest
import torch
from worlds import pairs, planted, random, toy_pairs, triples

from lore_core.evaluation.learning_curve import few_shot_accuracy, few_shots
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
    return {pair[1:] for pair in triples(some.where(mine))}


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
    assert (first / 2000 - 1 / 9).abs().max() < 0.03  # 4 standard errors


def test_users_with_too_few_pairs_are_said():
    some = pairs((0, 0, 1), (0, 2, 1), (1, 3, 1))
    with pytest.raises(ValueError, match="a user has 1 pairs, but 2 shots are asked for; leave"):
        few_shots(some, [1, 2], 3, random(0))


def test_everybody_at_once_is_everybody_one_after_another():
    world, counts = study(), [0, 2, 9]
    model = LoRe(3).fit(world.responses, world.train, device="cpu")
    tests = world.tests[BLOCKS[3]]
    found, personal = few_shot_accuracy(model, world.responses, world.shots, tests, counts, 2, 7)
    assert found.shape == (3, 2, 20) and personal.shape == (3, 2, 20, 3)
    given = few_shots(world.shots, counts, 2, random(7))
    for at in range(3):
        for order in range(2):
            first = (at * 2 + order) * 20
            alone = model.adapt(world.responses, given.of_users(torch.arange(first, first + 20)))
            torch.testing.assert_close(personal[at, order], alone, rtol=1e-6, atol=1e-6)
            expected = model.accuracy(world.responses, tests, alone)
            torch.testing.assert_close(found[at, order], expected)


def test_more_pairs_predict_better_and_none_are_the_crowd():
    world = study()
    model = LoRe(3).fit(world.responses, world.train, device="cpu")
    tests = world.tests[BLOCKS[3]]
    found, personal = few_shot_accuracy(model, world.responses, world.shots, tests, [0, 2, 9], 3, 0)
    nobody, few, many = found.mean((1, 2))
    assert nobody < few < many and many > 0.9
    torch.testing.assert_close(personal[0], model.crowd.expand(3, 20, -1))
