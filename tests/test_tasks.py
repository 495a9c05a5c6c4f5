"""Personal tasks: who is shown what, and what each person answers."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from worlds import random

from lore_core.datasets import alpaca_eval
from lore_core.tasks import Panel, Task, rating, style, tag, tastes
from lore_core.tasks.traits import DECODABLE, decodable

MAKERS = {"rating": rating.make, "tag": tag.make, "style": style.make}
SMALL = Panel(n_users=30, n_cold=10, n_validation=5, n_test=60)
ALIKE = replace(SMALL, own=0.0)  # the users of a group have one taste
each_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@cache
def responses():
    return alpaca_eval.load(encoder=alpaca_eval.MINILM)


@cache
def task(make, seed=0, panel=SMALL, noise=0.3):
    return make(responses(), seed, panel, noise)


def answers(task, key):
    """{(group, what was shown): the answers to it}."""
    found = {}
    for user, shown, target in zip(task.user, key, task.target, strict=True):
        found.setdefault((int(task.group[user]), int(shown)), set()).add(int(target))
    return found


def shown(make, task):
    return responses().prompt[task.response] if make is style.make else task.response


# Who is shown what.


@each_maker
def test_a_test_prompt_is_in_nobody_s_history(make):
    made = task(make)
    prompt = responses().prompt[made.response]
    parts = [set(prompt[made.of(part)].tolist()) for part in ("history", "validation", "test")]
    assert all(parts)
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])


@each_maker
def test_nobody_meets_a_prompt_twice(make):
    made = task(make)
    met = list(zip(made.user.tolist(), responses().prompt[made.response].tolist(), strict=True))
    assert len(set(met)) == len(met)


@each_maker
def test_histories_are_as_long_as_asked_and_those_of_cold_users_short(make):
    made = task(make)
    assert made.n_users == 40 and made.cold.nonzero().flatten().tolist() == [*range(30, 40)]
    assert made.lengths[:30].min() >= 4 and made.lengths[:30].max() <= 64
    assert made.lengths[30:].min() >= 1 and made.lengths[30:].max() <= 4
    assert made.user[made.test].bincount().tolist() == [60] * 40
    assert made.user[made.validation].bincount().tolist() == [5] * 40
    assert len(made.seen_history) + len(made.cold_history) == len(made.history)
    assert not made.cold[made.user[made.seen_history]].any()
    assert made.cold[made.user[made.cold_history]].all()


def test_the_logarithm_of_a_history_s_length_is_uniform():
    lengths = Panel(n_users=20_000, n_cold=20_000).lengths(random(0))
    seen, cold = lengths[:20_000].numpy(), lengths[20_000:].numpy()
    # P(length < k) = log(k / 4) / log(65 / 4), and for cold users log(k) / log(5)
    for k in (5, 8, 16, 32, 64):
        assert np.mean(seen < k) == pytest.approx(np.log(k / 4) / np.log(65 / 4), abs=0.015)
    for k in (2, 3, 4):
        assert np.mean(cold < k) == pytest.approx(np.log(k) / np.log(5), abs=0.015)
    assert {seen.min(), seen.max(), cold.min(), cold.max()} == {1, 4, 64}


def test_groups_are_even_among_those_seen_and_those_who_come_later():
    group = Panel(n_users=10, n_cold=5).groups(random(0))
    assert group[:10].bincount().tolist() == [2] * 5
    assert group[10:].bincount().tolist() == [1] * 5
    assert group[:10].tolist() != sorted(group[:10].tolist())


@each_maker
def test_there_may_be_no_cold_users_and_nothing_to_choose_by(make):
    made = make(responses(), 0, replace(SMALL, n_cold=0, n_validation=0))
    assert made.n_users == 30 and len(made.cold_history) == len(made.validation) == 0
    assert len(made.test) == 30 * 60 and len(made.seen_history) == len(made.history)


def test_all_tasks_of_a_seed_show_the_same():
    one, other = task(rating.make), task(tag.make)
    assert torch.equal(one.response, other.response) and torch.equal(one.group, other.group)


@each_maker
def test_a_seed_repeats_exactly_and_another_differs(make):
    one = task(make)
    again = make(responses(), 0, SMALL, 0.3)
    for name in ("user", "response", "target", "part", "group"):
        assert torch.equal(getattr(one, name), getattr(again, name))
    other = task(make, seed=1)
    assert len(other) != len(one) or not torch.equal(other.target, one.target)


# What they answer.


@each_maker
def test_without_noise_and_own_taste_a_group_is_of_one_mind_also_its_cold_users(make):
    made = task(make, panel=ALIKE, noise=0.0)
    found = answers(made, shown(make, made))
    repeated = len(made) - len(found)
    assert repeated > 200 and all(len(given) == 1 for given in found.values())


@each_maker
@pytest.mark.parametrize(("panel", "noise"), [(ALIKE, 0.3), (SMALL, 0.0)], ids=["noise", "own"])
def test_noise_alone_and_own_taste_alone_part_a_group(make, panel, noise):
    made = task(make, panel=panel, noise=noise)
    found = answers(made, shown(make, made))
    parted = sum(len(given) - 1 for given in found.values()) / (len(made) - len(found))
    assert 0.05 < parted < 0.6


def test_a_taste_that_all_share_leaves_one_answer_to_each_response():
    made = task(rating.make, panel=replace(SMALL, shared=1.0), noise=0.0)
    everybody = replace(made, group=torch.zeros_like(made.group))
    assert all(len(given) == 1 for given in answers(everybody, made.response).values())


def test_groups_differ():
    made = task(rating.make, panel=ALIKE, noise=0.0)
    everybody = replace(made, group=torch.zeros_like(made.group))
    found = answers(everybody, made.response)
    assert max(map(len, found.values())) >= 3


def test_stars_are_the_fifths_of_a_user_s_own_utilities():
    rising = torch.arange(10.0)
    utilities = torch.stack([rising, -100 * rising, torch.tensor([0.0] * 8 + [1.0, 2.0])])
    assert rating.stars(utilities).tolist() == [
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 4],
        [4, 4, 3, 3, 2, 2, 1, 1, 0, 0],
        [3] * 8 + [4, 4],  # equal utilities have equal stars
    ]


def test_every_star_is_as_common_as_the_others():
    stars = rating.stars(torch.randn(3, 1000, dtype=torch.float64, generator=random(0)))
    assert [row.bincount().tolist() for row in stars] == [[200] * 5] * 3


def test_a_tag_is_the_one_that_stands_out_most_by_the_user_s_thresholds():
    rules = torch.zeros(1, 5, 7, dtype=torch.float64)
    rules[0, [0, 1, 2, 3, 4], [6, 0, 1, 2, 3]] = torch.tensor([1.0, -1, 1, 1, 1]).double()
    traits = torch.zeros(4, 7, dtype=torch.float64)
    traits[0, 6] = 2.0  # much of trait 6: tag A
    traits[1, 0] = -1.0  # little of trait 0: tag B
    traits[2, 2] = 0.6  # tag D, unless D is hard to come by
    own = torch.zeros(4, 6, dtype=torch.float64)
    assert tag.tags(traits, rules.expand(4, 5, 7), own).tolist() == [0, 1, 3, 5]
    own[2, 3], own[3, 4] = -0.2, 0.7
    assert tag.tags(traits, rules.expand(4, 5, 7), own).tolist() == [0, 1, 5, 4]


def test_a_group_ties_each_tag_to_another_trait():
    rules = tag.draw_rules(50, 7, random(0))
    assert (rules.abs().sum(2) == 1).all() and (rules.abs().sum(1) <= 1).all()
    assert 0.4 < (rules > 0).sum() / 250 < 0.6


def test_what_is_wanted_answers_the_instruction_and_fits_the_taste_that_ratings_show():
    wanted = task(style.make, panel=SMALL, noise=0.0)
    rated = task(rating.make, panel=SMALL, noise=0.0)
    prompt = responses().prompt[rated.response]
    assert torch.equal(prompt, responses().prompt[wanted.target])
    traits = decodable(responses())
    better = []
    for user in range(30):
        mine = rated.user == user
        seen = traits[rated.response[mine]]
        taste = torch.linalg.lstsq(seen, rated.target[mine].double() - 2).solution
        worth = traits @ taste
        others = worth[responses().candidates_of(prompt[mine])]
        better.append((worth[wanted.target[mine]] - others.mean(1)).mean() / others.std())
    assert min(better) > 0.5


# Tastes.


@pytest.mark.parametrize("seed", range(5))
def test_no_two_groups_have_alike_utilities(seed):
    traits = decodable(responses())
    groups = tastes.distinct_groups(Panel(), traits, random(seed))
    between = np.corrcoef((traits @ groups.T).T.numpy())
    assert between[~np.eye(5, dtype=bool)].max() < 0.3


def test_that_groups_are_too_many_to_be_distinct_is_said(monkeypatch):
    monkeypatch.setattr(tastes, "TRIES", 20)
    with pytest.raises(ValueError, match="no 40 groups whose utilities correlate by less than 0"):
        tastes.distinct_groups(Panel(n_groups=40, distinct=0.0), torch.eye(7).double(), random(0))


def test_a_taste_is_mixed_of_the_group_s_the_own_and_the_common_one(monkeypatch):
    drawn = {1: torch.tensor([[0.0, 0.0, 1.0]]), 2: torch.tensor([[1.0, 0.0, 0.0]] * 2)}
    drawn |= {3: torch.tensor([[0.0, 1.0, 0.0]] * 3)}  # common one, two groups, three users
    monkeypatch.setattr(tastes, "signed", lambda n, *_: drawn[n].double())
    panel = Panel(n_users=2, n_cold=1, n_groups=2, own=0.25, shared=0.2, distinct=1.0)
    monkeypatch.setattr(tastes, "distinct_groups", lambda *_: drawn[2].double())
    found = tastes.draw(panel, torch.eye(3).double(), torch.tensor([0, 1, 1]), random(0))
    by_hand = torch.tensor([0.8 * 0.75, 0.8 * 0.25, 0.2]).double()
    torch.testing.assert_close(found, (by_hand / by_hand.norm()).expand(3, 3))


def test_signs_are_random_and_sizes_on_the_simplex():
    found = tastes.signed(2000, 7, 0.3, random(0))
    torch.testing.assert_close(found.abs().sum(1), torch.ones(2000).double())
    assert 0.48 < (found > 0).double().mean() < 0.52


def test_noise_is_in_units_of_the_score_s_spread():
    scores = torch.tensor([[1.0], [100.0]]).double() * torch.randn(20_000, generator=random(1))
    off = tastes.noisy(scores, 0.3, random(0)) - scores / scores.std(1, keepdim=True)
    assert off.std(1).tolist() == pytest.approx([0.3, 0.3], abs=0.01)


def test_traits_are_those_that_embeddings_tell_each_of_sd_1():
    traits = decodable(responses())
    names = responses().trait_names
    assert not {"reasons", "plain_words", "judge"} & set(DECODABLE) and traits.shape[1] == 7
    torch.testing.assert_close(traits.mean(0), torch.zeros(7).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(traits.std(0, correction=0), torch.ones(7).double())
    lists = responses().known_traits[:, names.index("lists")]
    assert np.corrcoef(lists, traits[:, 1])[0, 1] == pytest.approx(1)


# The noun.


def toy(**changes):
    fields = {
        "user": [0, 0, 1, 2, 2],
        "response": [3, 1, 4, 1, 5],
        "target": [0, 1, 1, 0, 1],
        "part": [0, 2, 0, 0, 1],
        "cold": torch.tensor([False, False, True]),
        "group": [0, 1, 0],
        "labels": ("1", "2"),
        "ordered": True,
    }
    return Task(**fields | changes)


def test_parts_are_positions_in_order():
    made = toy()
    parts = made.seen_history, made.cold_history, made.validation, made.test
    assert [part.tolist() for part in parts] == [[0, 2], [3], [4], [1]]
    assert made.lengths.tolist() == [1, 1, 1] and made.values == (1.0, 2.0)
    assert len(made) == 5 and made.n_users == 3 and made.to("cpu") is made
    made.check(6)


REFUSED = {
    "a target past the labels": (lambda: toy(target=[0, 1, 2, 0, 1]), "target contains 2"),
    "a user too many": (lambda: toy(user=[0, 0, 1, 2, 3]), "user contains 3"),
    "an unknown part": (lambda: toy(part=[0, 0, 0, 0, 3]), "part contains 3"),
    "a part without a row": (lambda: toy(part=[0, 0, 0, 0]), "part has 4 rows but user has 5"),
    "cold as numbers": (lambda: toy(cold=[0, 0, 1]), "expected True or False of each user"),
    "no users": (lambda: toy(cold=torch.zeros(0, dtype=torch.bool)), "at least one user"),
    "a group too few": (lambda: toy(group=[0, 1]), "group has 2 rows but cold has 3"),
    "a label twice": (lambda: toy(labels=("1", "1")), "each of them once"),
    "labels that are no numbers": (lambda: toy(labels=("A", "B")), "expected numbers"),
    "labels that fall": (lambda: toy(labels=("2", "1")), "from small to large"),
    "order without labels": (lambda: toy(labels=()), "has no labels"),
    "another part": (lambda: toy().of("train"), "part is 'train', expected one of history"),
    "too few responses": (lambda: toy().check(5), "response contains 5, but there are 5"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_a_task_that_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
