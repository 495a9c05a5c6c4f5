"""Entries in one row per user: everybody's own, in their order, in tables of bounded size."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from worlds import properties

from lore_core.tools.ragged import padded, rectangles

users_of = st.lists(st.integers(0, 6), max_size=40).map(lambda ids: torch.tensor(ids).long())


def test_padded_places_are_each_users_own_in_their_order():
    user = torch.tensor([2, 0, 2, 3, 2, 0])
    places, there = padded(user, 5)
    rows = [row[mask].tolist() for row, mask in zip(places, there, strict=True)]
    assert rows == [[1, 5], [], [0, 2, 4], [3], []]
    assert places[~there].tolist() == [0] * 9


def test_nobody_has_places_where_there_is_nothing():
    places, there = padded(torch.zeros(0).long(), 3)
    assert places.shape == there.shape == (3, 0)
    assert list(rectangles(torch.zeros(0).long(), 3)) == []


@properties
@given(user=users_of, cells=st.sampled_from([1, 5, 12, 1000]))
def test_rectangles_hold_every_user_with_entries_once_and_their_entries_in_order(user, cells):
    found = {}
    for block, places, there in rectangles(user, 7, cells):
        assert there.any(0).all() and there.any(1).all()
        for who, row, mask in zip(block.tolist(), places, there, strict=True):
            assert who not in found
            found[who] = row[mask].tolist()
    assert found == {u: (user == u).nonzero().flatten().tolist() for u in set(user.tolist())}


@pytest.mark.parametrize("cells", [1, 8, 30, 100])
def test_a_rectangle_has_no_more_cells_than_said_unless_one_user_alone_needs_them(cells):
    counts = torch.tensor([1] * 20 + [2] * 10 + [25, 3, 40])
    user = torch.arange(33).repeat_interleave(counts)
    for block, places, _ in rectangles(user, 33, cells):
        assert places.numel() <= cells or len(block) == 1


def test_users_with_equally_many_entries_share_a_rectangle():
    user = torch.arange(12).repeat_interleave(torch.tensor([2, 5] * 6))
    assert all(there.all() for _, _, there in rectangles(user, 12, 12))
