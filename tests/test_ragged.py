"""Entries in one row per user: everybody's own, in their order, in tables of bounded size."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from worlds import properties, random

from lore_core.tools.ragged import padded, random_places, rectangles

users_of = st.lists(st.integers(0, 6), max_size=40).map(lambda ids: torch.tensor(ids).long())


def own(user):
    """Positions of each user's entries, in their order, by who has some."""
    return {u: (user == u).nonzero().flatten().tolist() for u in set(user.tolist())}


def test_padded_positions_are_each_users_own_in_their_order():
    user = torch.tensor([2, 0, 2, 3, 2, 0])
    positions, mask = padded(user, 5)
    rows = [row[there].tolist() for row, there in zip(positions, mask, strict=True)]
    assert rows == [[1, 5], [], [0, 2, 4], [3], []]
    assert positions[~mask].tolist() == [0] * 9


@properties
@given(user=users_of)
def test_padded_covers_every_entry_once_and_pads_no_more_than_it_must(user):
    positions, mask = padded(user, 7)
    assert positions[mask].sort().values.tolist() == list(range(len(user)))
    assert (user[positions[mask]] == mask.nonzero()[:, 0]).all()
    assert mask.shape == positions.shape == (7, max(map(len, own(user).values()), default=0))


def test_nobody_has_positions_where_there_is_nothing():
    positions, mask = padded(torch.zeros(0).long(), 3)
    assert positions.shape == mask.shape == (3, 0)
    assert list(rectangles(torch.zeros(0).long(), 3)) == []


@properties
@given(user=users_of, cells=st.sampled_from([1, 5, 12, 1000]))
def test_rectangles_cover_every_entry_once_under_its_user_and_in_order(user, cells):
    found = {}
    for users, positions, mask in rectangles(user, 7, cells):
        assert mask.any(0).all() and mask.any(1).all()  # no row or column is empty
        for who, row, there in zip(users.tolist(), positions, mask, strict=True):
            assert who not in found
            found[who] = row[there].tolist()
    assert found == own(user)


@pytest.mark.parametrize("cells", [1, 8, 30, 100])
def test_a_rectangle_has_no_more_cells_than_said_unless_one_user_alone_needs_them(cells):
    counts = torch.tensor([1] * 20 + [2] * 10 + [25, 3, 40])
    user = torch.arange(33).repeat_interleave(counts)
    for users, positions, _ in rectangles(user, 33, cells):
        assert positions.numel() <= cells or len(users) == 1


def test_users_with_equally_many_entries_share_a_rectangle():
    user = torch.arange(12).repeat_interleave(torch.tensor([2, 5] * 6))
    assert all(mask.all() for _, _, mask in rectangles(user, 12, 12))


# --- random places -------------------------------------------------------------------------------


@properties
@given(user=users_of, seed=st.integers(0, 999))
def test_random_places_are_a_permutation_of_each_users_entries(user, seed):
    places = random_places(user, 7, random(seed))
    for positions in own(user).values():
        assert sorted(places[positions].tolist()) == list(range(len(positions)))


def test_random_places_repeat_with_their_generator_and_differ_between_seeds():
    user = torch.arange(60) % 4
    one, again, other = (random_places(user, 4, random(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_every_order_of_a_users_entries_comes_equally_often():
    """Three entries have six orders; users are drawn independently of each other."""
    n = 6000
    places = random_places(torch.arange(n).repeat_interleave(3), n, random(0)).view(n, 3)
    times = Counter(map(tuple, places.tolist()))
    four_standard_errors = 4 * math.sqrt(n * 1 / 6 * 5 / 6)
    assert len(times) == 6
    assert all(abs(count - n / 6) < four_standard_errors for count in times.values())
