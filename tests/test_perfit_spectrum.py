"""Spectra of shifts find what was planted, show nothing where there is nothing, and agree with
other libraries; two draws of a person are told from two persons."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from lore_core.perfit import person, spectrum
from lore_core.perfit.null import band, null
from lore_core.perfit.person import agreement, between
from lore_core.perfit.spectrum import Spectrum, collective, directions, heaviest
from lore_core.tools import draws

N, D = 120, 40
BOTH = pytest.mark.parametrize("centred", [False, True])


def gaussian(seed, n=N, d=D):
    return draws.normal(draws.generator(seed), n, d)


def planted(seed=0, n=N, d=D):
    """A large common shift, a personal one in three directions, and next to no noise."""
    g = draws.generator(seed)
    common = 8 * normalize(draws.normal(g, 1, d))
    basis = torch.linalg.qr(draws.normal(g, d, 3)).Q.T
    return common + draws.normal(g, n, 3) @ basis + 1e-3 * draws.normal(g, n, d), basis


# Spectra.


@BOTH
def test_singular_values_and_energy_are_numpys(centred):
    rows = gaussian(0) + 1
    given = rows.numpy() - centred * rows.numpy().mean(0)
    values = np.linalg.svd(given, compute_uv=False)
    found = spectrum.spectrum(rows, centred)
    np.testing.assert_allclose(found.values, values, atol=1e-10)
    np.testing.assert_allclose(found.energy, np.cumsum(values**2) / (given**2).sum(), atol=1e-12)


def test_a_rank_is_the_first_that_holds_the_share():
    four = Spectrum(torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64))  # 16, 25, 29, 30 of 30
    assert [four.rank(share) for share in (0.1, 0.53, 0.54, 0.84, 0.97, 1.0)] == [1, 1, 2, 3, 4, 4]
    assert four.rank(25 / 30) == 2, "a share that is met exactly needs no further direction"
    assert four.ranks == (2, 3, 3)
    assert four.per_mille(0.8) == 500


def test_per_mille_is_of_the_smaller_of_users_and_features():
    assert spectrum.spectrum(gaussian(0, 10, 40), False).per_mille(1.0) == 1000
    assert spectrum.spectrum(gaussian(0, 40, 10), False).per_mille(1.0) == 1000
    # the paper's table: rank 1 of 829 and of 274 users, 3 of 4096 features
    for n, rank, shown in ((829, 1, 1.21), (274, 1, 3.65), (4096, 3, 0.73)):
        values = torch.cat([torch.ones(rank), torch.full((n - rank,), 1e-9)]).double()
        assert Spectrum(values).per_mille(0.8) == pytest.approx(shown, abs=0.005)


def test_the_mean_holds_the_share_of_energy_that_centring_takes_away():
    rows = gaussian(1) + 0.5
    found = collective(rows)
    torch.testing.assert_close(found.mean, rows.mean(0))
    whole, rest = (spectrum.spectrum(rows, c).values.square().sum() for c in (False, True))
    assert found.share == pytest.approx(float(1 - rest / whole), abs=1e-12)
    assert collective(torch.ones(5, 3)).share == pytest.approx(1)
    assert collective(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).share == 0


def test_a_common_shift_hides_three_personal_directions_until_it_is_taken_away():
    rows, basis = planted()
    assert spectrum.spectrum(rows, centred=False).rank(0.80) == 1
    assert spectrum.spectrum(rows, centred=True).ranks == (3, 3, 3)
    found = directions(rows, 3)
    angles = torch.linalg.svdvals(found @ basis.T).acos()
    assert angles.max() < 0.01
    common = normalize(rows.mean(0), dim=0)
    assert abs(directions(rows, 1, centred=False)[0] @ common) > 0.99


def test_one_feature_that_is_far_larger_than_the_rest_is_named():
    rows = gaussian(6) + 3
    rows[:, 7] *= 100
    assert heaviest(rows, centred=True)[0] == heaviest(rows, centred=False)[0] == 7
    centred = rows - rows.mean(0)
    expected = float(centred[:, 7].square().sum() / centred.square().sum())
    assert heaviest(rows, centred=True)[1] == pytest.approx(expected) and expected > 0.99


def test_directions_are_orthonormal_with_the_largest_entry_positive():
    found = directions(gaussian(2), 5)
    torch.testing.assert_close(found @ found.T, torch.eye(5, dtype=torch.float64))
    assert (found.gather(1, found.abs().argmax(1, keepdim=True)) > 0).all()
    torch.testing.assert_close(directions(-gaussian(2), 5), found)


@BOTH
def test_a_world_without_directions_lies_in_the_band_of_its_null(centred):
    rows = gaussian(3) * draws.uniform(draws.generator(4), N, 1)  # of different lengths
    low, high = band(null(rows, centred, n_draws=60), inside=1.0)
    energy = spectrum.spectrum(rows, centred).energy
    assert (energy > low - 0.004).all() and (energy < high + 0.004).all()
    assert spectrum.spectrum(planted()[0], centred).energy[2] > high[2] + 0.3


@BOTH
def test_rows_of_a_null_are_as_long_as_those_given(centred):
    rows = gaussian(5) * torch.linspace(0.1, 9, N)[:, None] + 2
    lengths = (rows - centred * rows.mean(0)).norm(dim=1)
    one, two = null(rows, centred, n_draws=2)
    assert not torch.equal(one.values, two.values)
    if not centred:
        for drawn in (one, two):
            torch.testing.assert_close(drawn.values.square().sum(), lengths.square().sum())
    again = null(rows, centred, n_draws=2)
    assert torch.equal(again[0].values, one.values) and torch.equal(again[1].values, two.values)
    assert not torch.equal(null(rows, centred, 1, seed=1)[0].values, one.values)


@BOTH
def test_a_centred_null_has_lost_a_direction_too(centred):
    smallest = [one.values[-1] for one in null(gaussian(7, 10, 40), centred, 3)]
    assert all((value < 1e-9) == centred for value in smallest)


def test_a_band_holds_the_share_of_draws_that_was_asked_for():
    spectra = [spectrum.spectrum(gaussian(seed), False) for seed in range(41)]
    first = torch.stack([one.energy[0] for one in spectra])
    low, high = band(spectra, inside=0.9)[:, 0]
    assert ((first >= low) & (first <= high)).sum() == 37
    assert (band(spectra, 1.0)[0, 0], band(spectra, 1.0)[1, 0]) == (first.min(), first.max())


def test_the_unit_and_the_order_of_users_do_not_matter():
    rows = planted()[0]
    other = 1000 * rows[torch.arange(N).flip(0)]
    for centred in (False, True):
        a, b = (spectrum.spectrum(x, centred) for x in (rows, other))
        torch.testing.assert_close(a.energy, b.energy)
    assert collective(rows).share == pytest.approx(collective(other).share)


# Persons.


def draws_of_persons(seed, trace):
    """Two draws of everybody: a common shift, the person's times `trace`, and noise of its own."""
    own, *noise = (gaussian(seed + more) for more in range(3))
    return [20 + trace * own + of for of in noise]


def test_two_draws_of_a_person_agree_as_much_as_was_planted():
    # E cos = trace² / (trace² + 1), and each cosine has a standard deviation of about 1 / √D
    for trace, expected in ((0.0, 0.0), (1.0, 0.5), (3.0, 0.9)):
        found = agreement(*draws_of_persons(10, trace))
        assert found.same.mean() == pytest.approx(expected, abs=4 / (N * D) ** 0.5 + 0.02)
        assert found.others.mean() == pytest.approx(0, abs=0.02)


def test_persons_are_found_again_if_they_leave_a_trace_and_by_chance_if_not():
    assert agreement(*draws_of_persons(20, 3.0)).found.mean() > 0.99
    found = agreement(*draws_of_persons(20, 0.0))
    assert found.chance == 1 / N
    assert found.found.mean() < 5 / N


def test_agreement_is_the_cosine_of_rows_without_their_means():
    one, other = draws_of_persons(30, 0.5)
    found = agreement(one, other)
    a, b = one - one.mean(0), other - other.mean(0)
    for i, j in ((0, 0), (3, 7), (N - 1, 2)):
        expected = float(a[i] @ b[j] / a[i].norm() / b[j].norm())
        assert float(found.cosine[i, j]) == pytest.approx(expected)
    assert float(found.same[3]) == float(found.cosine[3, 3])
    rest = [float(found.cosine[3, j]) for j in range(N) if j != 3]
    assert float(found.others[3]) == pytest.approx(sum(rest) / (N - 1))


def test_both_draws_ask_and_a_tie_is_not_found():
    cosine = torch.tensor([[0.9, 0.1, 0.0], [0.8, 0.5, 0.6], [0.0, 0.5, 0.6]]).double()
    # 0 is found both ways; 1 by neither (0.8 in its row; 0.5 ties in its column); 2 only by its row
    assert person.Agreement(cosine).found.tolist() == [1.0, 0.0, 0.5]


def test_the_share_between_groups_is_that_of_a_loop():
    group = torch.tensor([3, 1, 3, 0, 1, 1, 0, 3, 3, 3])
    rows = gaussian(40, 10) + 0.5 * group[:, None]
    centre = rows.mean(0)
    parts = (rows[group == one] for one in (0, 1, 3))
    inside = sum(float((part - part.mean(0)).square().sum()) for part in parts)
    found = between(rows, group, n_permutations=2)
    assert found.share == pytest.approx(1 - inside / float((rows - centre).square().sum()))


def test_groups_that_are_none_hold_as_much_as_permuted_ones_and_planted_ones_more():
    group = torch.arange(N) % 5
    found = between(gaussian(50), group, n_permutations=400)
    # under permutation a share is (G - 1) / (N - 1) on average, whatever the rows
    assert float(found.permuted.mean()) == pytest.approx(4 / (N - 1), rel=0.02)
    assert found.p > 0.02
    planted_groups = between(gaussian(50) + gaussian(51, 5)[group], group, n_permutations=400)
    assert planted_groups.share > 5 * float(planted_groups.permuted.max())
    assert planted_groups.p == 1 / 401


def test_permutations_repeat_with_their_seed():
    group = torch.arange(N) % 5
    first, again, other = (between(gaussian(60), group, 20, seed) for seed in (0, 0, 1))
    assert torch.equal(first.permuted, again.permuted)
    assert not torch.equal(first.permuted, other.permuted)
