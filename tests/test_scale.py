"""The embeddings' own unit: exact for few pairs, from a fixed sample of many."""

import pytest
import torch
from worlds import normal

from lore_core import Preferences, Responses, scale
from lore_core.scale import SAMPLE, pair_scale, sample


def many(n=2 * SAMPLE, n_rows=3_000, d=8):
    """Pairs of embeddings of very different lengths."""
    embeddings = normal(n_rows, d) * normal(n_rows, 1, seed=1).exp()
    rows = torch.randint(n_rows, (n,), generator=torch.Generator().manual_seed(2))
    pairs = Preferences(torch.zeros(n).long(), rows, (rows + 1) % n_rows, 1)
    return Responses(embeddings, torch.zeros(n_rows).long()), pairs


def exactly(responses, pairs):
    gaps = responses.embeddings[pairs.chosen] - responses.embeddings[pairs.rejected]
    return float(gaps.square().sum(1).mean().sqrt())


def test_of_few_pairs_every_one_counts():
    responses, pairs = many(SAMPLE)
    assert pair_scale(responses, pairs) == pytest.approx(exactly(responses, pairs), rel=1e-12)


def test_of_many_pairs_a_sample_is_near_and_always_the_same():
    responses, pairs = many()
    assert pair_scale(responses, pairs) == pair_scale(responses, pairs)
    assert pair_scale(responses, pairs) == pytest.approx(exactly(responses, pairs), rel=0.01)
    assert pair_scale(responses, pairs) != exactly(responses, pairs)


@pytest.mark.parametrize("n", [1, 4_999, 5_000, 5_001, 12_345, 47_000_000])
def test_a_sample_has_distinct_places_spread_over_all(n):
    places = sample(n, 5_000)
    assert len(places) == min(n, 5_000)
    assert (places.diff() > 0).all() and 0 <= places[0] and places[-1] < n
    assert n <= 5_000 or places.diff().max() <= 2 * n / 5_000 + 1


def test_blocks_do_not_change_the_unit(monkeypatch):
    responses, pairs = many(1_000)
    whole = pair_scale(responses, pairs)
    monkeypatch.setattr(scale, "CELLS", 1)
    assert pair_scale(responses, pairs) == pytest.approx(whole, rel=1e-12)


def test_one_pair_that_differs_is_found_though_the_sample_has_none():
    n = 2 * SAMPLE
    unseen = int(torch.isin(torch.arange(n), sample(n, SAMPLE)).logical_not().nonzero()[0])
    chosen = torch.zeros(n).long()
    chosen[unseen] = 2
    pairs = Preferences(torch.zeros(n).long(), chosen, torch.ones(n).long(), 1)
    responses = Responses(torch.tensor([[1.0], [1.0], [4.0]]), torch.zeros(3).long())
    assert pair_scale(responses, pairs) == pytest.approx((9 / n) ** 0.5)


@pytest.mark.parametrize("factor", [0.0, 1e200], ids=["equal", "too large to square"])
def test_many_pairs_that_have_no_unit_are_refused(factor):
    responses, pairs = many()
    embeddings = responses.embeddings * factor
    with pytest.raises(ValueError, match="differ by (0.0|inf) on average, expected a number above"):
        pair_scale(Responses(embeddings, responses.prompt), pairs)
