"""The gradient that is written out is that of the plain formula, for whatever numbers of pairs."""

import pytest
import torch
from worlds import normal, pairs, random, toy_pairs

from lore_core import Preferences
from lore_core import sorted_pairs as sorting
from lore_core.likelihood import pair_nll
from lore_core.sorted_pairs import SortedPairs, cuts

M, D, N, K = 40, 6, 30, 3


def ragged(n_pairs=500, seed=0):
    """Pairs in no order: one user has a third of them, some have one, the last ones have none."""
    source = random(seed)
    user = (torch.rand(n_pairs, generator=source) ** 4 * (N - 3)).long()
    chosen = torch.randint(M - 2, (n_pairs,), generator=source)  # two rows are in no pair
    step = torch.randint(1, M - 2, (n_pairs,), generator=source)
    return Preferences(user, chosen, (chosen + step) % (M - 2), N)


def point(kind=torch.float64):
    """Embeddings, and basis and weights of any sign that want a gradient."""
    embeddings, basis, weights = normal(M, D, seed=1), normal(D, K, seed=2), normal(N, K, seed=3)
    return (
        embeddings.to(kind),
        basis.to(kind).requires_grad_(),
        weights.to(kind).requires_grad_(),
    )


def plain(embeddings, basis, weights, share, some):
    """LoRe's Eq. 10 as it is written, for autograd to differentiate."""
    gaps = (embeddings[some.chosen] - embeddings[some.rejected]) @ basis
    margins = (gaps * weights[some.user]).sum(1)
    return -(share[some.user] * torch.nn.functional.logsigmoid(margins)).sum()


def both(some, kind=torch.float64):
    """Loss and gradients: those of the plain formula, and ours."""
    embeddings, basis, weights = point(kind)
    share = torch.rand(N, dtype=torch.float64, generator=random(9)).to(kind)
    sorted_pairs = SortedPairs.of(some, M)
    losses = (
        plain(embeddings, basis, weights, share, some),
        pair_nll(embeddings, basis, weights, share, sorted_pairs),
    )
    return [(loss, *torch.autograd.grad(loss, [basis, weights])) for loss in losses]


@pytest.mark.parametrize("size", [1, 100, 10**6], ids="blocks of {} pairs or more".format)
@pytest.mark.parametrize("some", [ragged(), toy_pairs(n_responses=M, n_users=N)], ids=["", "even"])
def test_loss_and_gradient_are_those_of_the_plain_formula(monkeypatch, some, size):
    monkeypatch.setattr(sorting, "PAIRS", size)
    expected, found = both(some)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_single_precision_is_near_double_precision():
    _, found = both(ragged(), torch.float32)
    expected, _ = both(ragged())
    assert {t.dtype for t in found} == {torch.float32}
    torch.testing.assert_close([t.double() for t in found], list(expected), rtol=1e-4, atol=1e-5)


def test_gradient_agrees_with_finite_differences_where_users_have_different_numbers_of_pairs():
    embeddings, *parameters = point()
    some, share = SortedPairs.of(ragged(60), M), torch.ones(N, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda v, w: pair_nll(embeddings, v, w, share, some), parameters
    )


def test_the_loss_alone_is_the_loss_with_its_gradient():
    embeddings, *parameters = point()
    some, share = SortedPairs.of(ragged(), M), torch.ones(N, dtype=torch.float64)
    with torch.no_grad():
        alone = pair_nll(embeddings, *parameters, share, some)
    assert torch.equal(alone, pair_nll(embeddings, *parameters, share, some).detach())
    assert not alone.requires_grad


def test_blocks_hold_every_pair_once_and_no_user_is_torn_apart(monkeypatch):
    monkeypatch.setattr(sorting, "PAIRS", 1)
    some = ragged()
    found = SortedPairs.of(some, M)
    triples = [
        (int(u) + block.first, int(c), int(r))
        for block in found.blocks
        for u, c, r in zip(block.user, block.chosen, block.rejected, strict=True)
    ]
    given = zip(some.user.tolist(), some.chosen.tolist(), some.rejected.tolist(), strict=True)
    assert triples == sorted(given, key=lambda pair: pair[0])
    users = [user for block in found.blocks for user in range(N)[block.users]]
    assert len(found.blocks) > 3 and users == list(range(N)) and len(found) == len(some)


def test_a_block_is_as_large_as_it_may_be():
    ends = torch.tensor([3, 3, 5, 20, 21, 22, 22])
    assert cuts(ends, 5) == [3, 4, 7]
    assert cuts(ends, 1) == [1, 2, 3, 4, 5, 7]
    assert cuts(ends, 100) == [7]


def test_ids_have_32_bits():
    block = SortedPairs.of(ragged(), M).blocks[0]
    tensors = [value for value in vars(block).values() if isinstance(value, torch.Tensor)]
    assert len(tensors) == 7 and {t.dtype for t in tensors} == {torch.int32}


def test_pairs_on_the_device_they_are_asked_for_are_left_as_they_are():
    found = SortedPairs.of(pairs((0, 0, 1), (1, 2, 0)), 3)
    moved = found.to("cpu")
    assert [b is m for b, m in zip(found.blocks, moved.blocks, strict=True)] == [True]
    assert {t.device.type for t in (moved.counts, moved.blocks[0].user)} == {"cpu"}


def test_a_block_of_users_without_pairs_adds_nothing(monkeypatch):
    monkeypatch.setattr(sorting, "PAIRS", 1)
    some = pairs(*[(0, b % M, (b + 1) % M) for b in range(M + 1)], n_users=N)
    assert [len(block.user) for block in SortedPairs.of(some, M).blocks] == [M + 1, 0]
    expected, found = both(some)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)
