"""What is counted is what is trained: each formula against models that were built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import normal, properties, toy_pairs, toy_responses

from lore_core import LowRankReward
from lore_core.methods import (
    LoRe,
    NewUser,
    PALAModel,
    PALBModel,
    PerUser,
    bradley_terry,
    parameter_count,
)
from lore_core.methods.pal import Projector
from lore_core.methods.vpl import VPLModel

few = st.integers(1, 7)
NEW_USER = vars(NewUser())


def trained(model):
    return sum(parameter.numel() for parameter in model.parameters())


@properties
@given(d=few, hidden=few, latent=few, n_users=few)
def test_vpl(d, hidden, latent, n_users):
    model = VPLModel(d, hidden, latent, n_users)
    assert parameter_count.vpl(d, hidden, latent) == trained(model) == model.parameter_count


@properties
@given(d=few, width=few, layers=st.integers(0, 3))
def test_projector(d, width, layers):
    assert parameter_count.projector(d, width, layers) == trained(Projector(d, width, layers))


@properties
@given(d=few, rank=few, width=few, layers=st.integers(0, 3), n_users=few)
def test_pal(d, rank, width, layers, n_users):
    sizes = dict(d=d, rank=rank, width=width, layers=layers, n_users=n_users, new_user=NEW_USER)
    a, b = PALAModel(sizes), PALBModel(sizes)
    assert parameter_count.pal_a(d, rank, layers, n_users) == trained(a) == a.parameter_count
    assert parameter_count.pal_b(d, rank, width, layers, n_users) == trained(b) == b.parameter_count


@properties
@given(d=few, rank=st.integers(2, 7), n_users=few)
def test_lore(d, rank, n_users):
    reward = LowRankReward(normal(d, rank), normal(n_users, rank))
    assert parameter_count.lore(d, rank, n_users) == reward.basis.numel() + reward.logits.numel()


@pytest.mark.parametrize("d", [3, 8])
def test_what_is_linear_counts_itself(d):
    responses, some = toy_responses(n_features=d), toy_pairs(n_users=5)
    counts = [
        method.fit(responses, some, device="cpu").parameter_count
        for method in (LoRe(2), bradley_terry(), PerUser(), PerUser(0.1, bradley_terry()))
    ]
    assert counts == [2 * d + 2 * 5, d, 5 * d, 5 * d + d]
    assert counts[1] == parameter_count.bradley_terry(d) == parameter_count.lore(d, 1, 5)
    assert counts[2] == parameter_count.per_user(d, 5)


def test_published_vpl_has_the_published_size():
    assert parameter_count.vpl(4096, 512, 512) == 8_656_385


@pytest.mark.parametrize(("width", "published"), [(4096, 50_343_936), (512, 2_622_976)])
def test_published_projectors_have_the_published_size(width, published):
    assert parameter_count.projector(4096, width, 2) == published


@pytest.mark.parametrize("n_users", [1, 1000])
def test_published_pal_has_the_published_size(n_users):
    """The published count of A has one logit scale more, which the distance here does without."""
    assert parameter_count.pal_a(4096, 2, 2, n_users) == 50_352_128 + 2 * n_users
    assert parameter_count.pal_b(4096, 2, 512, 2, n_users) == 7_868_929 + 2 * n_users
