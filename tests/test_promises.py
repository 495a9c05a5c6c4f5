"""What every method promises, whichever it is: one list of promises, run on all of them.

A method learns something shared from seen users, adapts new users from few pairs, and returns
margins. To hold another one to the same promises, add it to METHODS.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import pytest
import torch
from worlds import planted, shuffled

from lore_core import LowRankReward, Recipe, fit_basis, fit_weights
from lore_core.recipes import FEW_SHOT, PAPER, PAPER_FEW_SHOT, PAPER_REGULARISED
from lore_core.reward import reference_direction
from lore_core.study import BLOCKS

study = cache(planted)


def reference(world):
    """A direction that knows the responses and what the traits have in common, but no user."""
    return reference_direction(world.responses.embeddings, world.responses.traits.mean(1))


@dataclass(frozen=True)
class Method:
    """One row of METHODS.

    Args:
        fit: (study, training pairs, seed) -> what was learned, with margins, save and load.
        adapt: (what was learned, responses, few pairs, seed) -> one row of weights per new user.
        seeded: whether the seed matters to the fit.
    """

    fit: Callable
    adapt: Callable
    seeded: bool = True


def low_rank(rank, recipe=None, few_shot=FEW_SHOT, anchored=False):
    """LoRe at a rank, by a recipe."""

    def fit(world, train, seed):
        towards = reference(world) if anchored else None
        return fit_basis(
            world.responses, train, rank, recipe, seed=seed, reference=towards, device="cpu"
        ).reward

    return Method(fit, weights_by(few_shot))


def weights_by(recipe):
    return lambda reward, responses, shots, seed: fit_weights(
        reward, responses, shots, recipe, seed=seed, device="cpu"
    )


def nothing_learned(world, train, seed):
    return LowRankReward.fixed(reference(world), train.n_users)


PAPER_SHOTS = replace(PAPER_FEW_SHOT, steps=100)
METHODS = {
    "reference": Method(nothing_learned, weights_by(FEW_SHOT), seeded=False),
    "Bradley–Terry": low_rank(1),
    "LoRe": low_rank(3),
    "LoRe, Adam": low_rank(3, Recipe(optimizer="adam", steps=100)),
    "LoRe, paper": low_rank(3, replace(PAPER, steps=60), PAPER_SHOTS),
    "LoRe, paper, regularised": low_rank(
        3, replace(PAPER_REGULARISED, steps=60), PAPER_SHOTS, anchored=True
    ),
}


@pytest.fixture(params=METHODS, ids=str)
def name(request):
    return request.param


@cache
def fitted(name, seed=0):
    return METHODS[name].fit(study(), study().train, seed)


def adapted(name, shots, seed=0):
    return METHODS[name].adapt(fitted(name), study().responses, shots, seed)


def margins(model, block, weights=None):
    return model.margins(study().responses.embeddings, study().tests[block], weights)


def share_won(model, block, weights=None):
    return float((margins(model, block, weights) > 0).double().mean())


def close(one, other):
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def tensors(model):
    """Everything shared that was learned."""
    return {key: t.clone() for key, t in vars(model).items() if isinstance(t, torch.Tensor)}


def test_seen_users_are_predicted_better_than_by_chance(name):
    assert share_won(fitted(name), BLOCKS[1]) > 0.6


def test_unseen_users_are_predicted_better_than_by_chance(name):
    weights = adapted(name, study().shots)
    assert share_won(fitted(name), BLOCKS[3], weights) > 0.6


def test_order_of_training_pairs_does_not_matter(name):
    again = METHODS[name].fit(study(), shuffled(study().train), 0)
    close(margins(again, BLOCKS[1]), margins(fitted(name), BLOCKS[1]))


def test_order_of_the_few_pairs_does_not_matter(name):
    close(adapted(name, shuffled(study().shots)), adapted(name, study().shots))


def test_new_users_leave_what_was_learned_alone(name):
    before = tensors(fitted(name))
    adapted(name, study().shots)
    after = tensors(fitted(name))
    assert before.keys() == after.keys() and before
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_saved_and_loaded_it_gives_the_same_margins(name, tmp_path):
    model = fitted(name)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model")
    assert torch.equal(margins(loaded, BLOCKS[1]), margins(model, BLOCKS[1]))


def test_one_seed_repeats_exactly(name):
    again = METHODS[name].fit(study(), study().train, 0)
    assert torch.equal(margins(again, BLOCKS[1]), margins(fitted(name), BLOCKS[1]))
    shots = partial(adapted, name, study().shots)
    assert torch.equal(shots(seed=0), shots(seed=0))


@pytest.mark.parametrize("name", [n for n, method in METHODS.items() if method.seeded])
def test_two_seeds_differ(name):
    assert not torch.equal(
        margins(fitted(name, seed=1), BLOCKS[1]), margins(fitted(name), BLOCKS[1])
    )


def test_weights_lie_on_the_simplex(name):
    for weights in (fitted(name).weights, adapted(name, study().shots)):
        assert (weights >= 0).all()
        close(weights.sum(1), torch.ones(len(weights), dtype=weights.dtype))


def test_a_user_without_pairs_can_be_predicted(name):
    shots = study().shots
    weights = adapted(name, shots.where(shots.user > 0))
    assert weights.isfinite().all() and margins(fitted(name), BLOCKS[3], weights).isfinite().all()
    close(weights[0], fitted(name).crowd_weights)
