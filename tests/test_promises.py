"""What every method promises, whichever it is: one list of promises, run on all of them.

A method learns something shared from seen users, adapts new users from few pairs, and returns
margins. To hold another one to the same promises, add it to METHODS.
"""

from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from worlds import pairs, planted, shuffled, swapped

from lore_core import LowRankReward, Recipe, fit_basis
from lore_core.evaluation.study import BLOCKS
from lore_core.methods import (
    PAL,
    VPL,
    FreeWeights,
    LoRe,
    LowRank,
    MeanDifference,
    NewUser,
    PALBModel,
    PerUser,
    Reference,
    Schedule,
    bradley_terry,
    parameter_count,
)
from lore_core.methods.per_user import PerUserModel
from lore_core.recipes import PAPER, PAPER_FEW_SHOT, PAPER_REGULARISED
from lore_core.reference import reference_direction

study = cache(planted)
PAPER_SHOTS = replace(PAPER_FEW_SHOT, steps=100)


@dataclass(frozen=True)
class Anchored:
    """LoRe drawn to a reference direction: the one recipe that `LoRe` does not offer."""

    rank: int = 3
    recipe: Recipe = replace(PAPER_REGULARISED, steps=60)

    def fit(self, responses, train, *, validation=None, seed=0, device=None):
        towards = reference_direction(responses.embeddings, responses.traits.mean(1))
        reward = fit_basis(
            responses, train, self.rank, self.recipe, seed=seed, device=device, reference=towards
        ).reward
        return LowRank(
            reward, PAPER_SHOTS, parameter_count.lore(*reward.basis.shape, train.n_users)
        )

    def parameter_count(self, d, n_users):
        return parameter_count.lore(d, self.rank, n_users)


SMALL_VPL = VPL(
    hidden=16,
    latent=8,
    kl=1e-3,
    context=(1, 9),
    users=20,
    targets=8,
    learning_rate=3e-3,
    schedule=Schedule(300),
)
SMALL_PAL = PAL(
    rank=3,
    width=8,
    layers=1,
    batch=128,
    projector_rate=1e-2,
    personal_rate=5e-2,
    schedule=Schedule(150),
    new_user=NewUser(learning_rate=0.1, epochs=15, batch=4),
)
LIKE_LORE = NewUser(learning_rate=0.1, epochs=30, batch=None, random=False, prior=0.1)
METHODS = {
    "reference": Reference("trait 1"),
    "mean difference": MeanDifference(),
    "Bradley–Terry": bradley_terry(),
    "one model per user": PerUser(),
    "one model per user, from Bradley–Terry": PerUser(0.1, bradley_terry()),
    "free weights": FreeWeights(3, ridge_basis=1e-5, ridge_weights=0.03),
    "LoRe": LoRe(3),
    "LoRe, Adam": LoRe(3, Recipe(optimizer="adam", steps=100)),
    "LoRe, paper": LoRe(3, replace(PAPER, steps=60), PAPER_SHOTS),
    "LoRe, paper, regularised": Anchored(),
    "VPL": SMALL_VPL,
    "VPL, published defects": replace(SMALL_VPL, kl=0.0, rescale=True),
    "PAL-A": SMALL_PAL,
    "PAL-B": replace(SMALL_PAL, form=PALBModel, new_user=LIKE_LORE),
}
UNSEEDED = {"reference", "mean difference"} | {n for n in METHODS if n.startswith("one model")}
FROM_RANDOM = {"LoRe, paper", "LoRe, paper, regularised", "PAL-A"}  # how new users start
IMPERSONAL = {"reference", "mean difference", "Bradley–Terry", "LoRe, paper, regularised"}
WITH_WEIGHTS = {name for name in METHODS if name.startswith(("LoRe", "PAL", "Bradley"))}
NETWORKS = {name for name in METHODS if name.startswith(("VPL", "PAL"))}


@pytest.fixture(params=METHODS, ids=str)
def name(request):
    return request.param


def only(names):
    return pytest.mark.parametrize("name", [name for name in METHODS if name in names])


def fit(name, train, seed=0, **changes):
    method = replace(METHODS[name], **changes)
    return method.fit(study().responses, train, validation=None, seed=seed, device="cpu")


@cache
def fitted(name, seed=0):
    return fit(name, study().train, seed)


def adapted(name, shots, seed=0):
    return fitted(name).adapt(study().responses, shots, seed)


def margins(model, block, personal=None):
    return model.margins(study().responses, study().tests[block], personal)


def share_won(model, block, personal=None):
    return float((margins(model, block, personal) > 0).double().mean())


def close(one, other, tolerance=1e-4):
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def everything(model):
    """Copies of all tensors that were learned, and what goes with them."""
    learned, settings = model.state()
    return {key: tensor.clone() for key, tensor in learned.items()}, dict(settings)


def same(one, other):
    tensors, others = one[0], other[0]
    assert tensors.keys() == others.keys() and tensors and one[1] == other[1]
    return all(torch.equal(tensors[key], others[key]) for key in tensors)


def test_seen_users_are_predicted_better_than_by_chance(name):
    assert share_won(fitted(name), BLOCKS[1]) > 0.6


def test_unseen_users_are_predicted_better_than_by_chance(name):
    assert share_won(fitted(name), BLOCKS[3], adapted(name, study().shots)) > 0.6


@only(set(METHODS) - IMPERSONAL)
def test_what_is_somebody_elses_predicts_worse_than_what_is_ones_own(name):
    for block, own in ((1, fitted(name).personal), (3, adapted(name, study().shots))):
        share = share_won(fitted(name), BLOCKS[block], own)
        assert share > share_won(fitted(name), BLOCKS[block], own.roll(1, 0)) + 0.03


def test_order_of_training_pairs_does_not_matter(name):
    again = fit(name, shuffled(study().train))
    close(margins(again, BLOCKS[1]), margins(fitted(name), BLOCKS[1]))


def test_order_of_the_few_pairs_does_not_matter(name):
    close(adapted(name, shuffled(study().shots)), adapted(name, study().shots))


def test_new_users_leave_what_was_learned_alone(name):
    before = everything(fitted(name))
    adapted(name, study().shots)
    assert same(everything(fitted(name)), before)


@only(set(METHODS) - {"PAL-A"})  # whose draws of batches are one stream for everybody
def test_new_users_do_not_matter_to_each_other(name):
    few = study().shots
    close(adapted(name, few.select(few.user < 4))[:4], adapted(name, few)[:4])


def test_saved_and_loaded_it_gives_the_same_margins_and_adapts_the_same(name, tmp_path):
    model = fitted(name)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model")
    assert same(everything(loaded), everything(model))
    assert loaded.parameter_count == model.parameter_count
    assert torch.equal(margins(loaded, BLOCKS[1]), margins(model, BLOCKS[1]))
    assert torch.equal(loaded.adapt(study().responses, study().shots), adapted(name, study().shots))


def test_a_file_of_another_kind_is_refused(name, tmp_path):
    fitted(name).save(tmp_path / "model")
    kinds = {type(fitted(n)) for n in METHODS}
    for other in kinds - {type(fitted(name))}:
        with pytest.raises(ValueError, match=f"is not a saved {other.__name__} .another kind"):
            other.load(tmp_path / "model")


def test_a_damaged_file_is_refused_and_a_missing_one_is_said(name, tmp_path):
    kind = type(fitted(name))
    (tmp_path / "model").write_bytes(b"half a file")
    with pytest.raises(ValueError, match=f"model is not a saved {kind.__name__}"):
        kind.load(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="none does not exist; save a model there first"):
        kind.load(tmp_path / "none")


def test_one_seed_repeats_exactly(name):
    again = fit(name, study().train)
    assert torch.equal(margins(again, BLOCKS[1]), margins(fitted(name), BLOCKS[1]))
    assert torch.equal(adapted(name, study().shots), adapted(name, study().shots))


@only(set(METHODS) - UNSEEDED)
def test_two_seeds_differ(name):
    other = fitted(name, seed=1)
    assert not torch.equal(margins(other, BLOCKS[1]), margins(fitted(name), BLOCKS[1]))


def test_the_seed_matters_to_new_users_only_where_their_start_is_random(name):
    one, other = (adapted(name, study().shots, seed) for seed in (0, 1))
    assert torch.allclose(one, other, atol=1e-4) == (name not in FROM_RANDOM)


@only(WITH_WEIGHTS)
def test_weights_lie_on_the_simplex(name):
    for weights in (fitted(name).personal, adapted(name, study().shots)):
        assert (weights >= 0).all()
        close(weights.sum(1), torch.ones(len(weights), dtype=weights.dtype))


def test_a_user_without_pairs_gets_the_crowd_and_can_be_predicted(name):
    shots, model = study().shots, fitted(name)
    personal = adapted(name, shots.select(shots.user > 0))
    assert personal.isfinite().all() and margins(model, BLOCKS[3], personal).isfinite().all()
    close(personal[0], model.crowd)


def test_nobody_with_a_pair_is_everybody_the_crowd(name):
    personal = adapted(name, pairs(n_users=3))
    close(personal, fitted(name).crowd.expand(3, -1))


def test_the_opposite_preferences_have_the_opposite_margins(name):
    asked = study().tests[BLOCKS[1]]
    opposite = fitted(name).margins(study().responses, swapped(asked))
    assert torch.equal(opposite, -margins(fitted(name), BLOCKS[1]))


def test_margins_are_differences_of_scores(name):
    model, asked, personal = fitted(name), study().tests[BLOCKS[3]], adapted(name, study().shots)
    n_users, n_responses = len(personal), len(study().responses)
    user = torch.arange(n_users).repeat_interleave(n_responses)
    rows = torch.arange(n_responses).repeat(n_users)
    table = model.scores(study().responses, personal, user, rows).view(n_users, n_responses)
    differences = table[asked.user, asked.chosen] - table[asked.user, asked.rejected]
    close(margins(model, BLOCKS[3], personal), differences, 1e-5)


def test_as_many_rows_as_users_are_asked_for(name):
    with pytest.raises(
        ValueError, match=r"expected \(20, .*\): one row per user .* pass what adapt returned"
    ):
        margins(fitted(name), BLOCKS[3])


def test_a_seen_user_without_pairs_can_be_predicted(name):
    """Real people are not asked for as many pairs as others."""
    train = study().train.select(study().train.user != 5)
    model = fit(name, train)
    assert model.personal.shape[0] == train.n_users and model.personal.isfinite().all()
    assert margins(model, BLOCKS[1]).isfinite().all()


def test_rows_that_do_not_exist_are_refused(name):
    beyond = pairs((0, 400, 1), n_users=40)
    with pytest.raises(ValueError, match="points to response 400, but there are 400"):
        fitted(name).margins(study().responses, beyond)
    with pytest.raises(ValueError, match="points to response 400, but there are 400"):
        fitted(name).adapt(study().responses, beyond)


def trained_numbers(model, name):
    """How many numbers of a model were trained, counted one by one; a new kind says it itself."""
    if isinstance(model, torch.nn.Module):
        return sum(parameter.numel() for parameter in model.parameters())
    if isinstance(model, PerUserModel):
        return model.personal.numel() + int((model.shared != 0).sum())
    if name == "reference":
        return 0
    if not hasattr(model, "reward"):
        return model.parameter_count
    alone = model.reward.rank == 1  # a softmax over one logit is 1: nothing personal
    return model.reward.basis.numel() + (0 if alone else model.reward.logits.numel())


def test_parameters_are_counted(name):
    assert fitted(name).parameter_count == trained_numbers(fitted(name), name)


def test_a_method_knows_before_it_is_fitted_how_many_parameters_its_model_will_have(name):
    d, n_users = study().responses.embeddings.shape[1], study().train.n_users
    assert METHODS[name].parameter_count(d, n_users) == fitted(name).parameter_count


@only(NETWORKS)
def test_every_parameter_of_a_network_is_trained(name):
    start = dict(fit(name, study().train, schedule=Schedule(0)).named_parameters())
    for key, parameter in fitted(name).named_parameters():
        assert (parameter != start[key]).any(), key


@only(NETWORKS)
def test_a_trained_network_asks_for_no_gradients(name):
    assert not any(parameter.requires_grad for parameter in fitted(name).parameters())
    assert not adapted(name, study().shots).requires_grad
    assert not margins(fitted(name), BLOCKS[1]).requires_grad


def test_a_low_rank_method_gives_the_margins_of_its_reward():
    model = fitted("LoRe")
    assert isinstance(model.reward, LowRankReward)
    theirs = model.reward.margins(study().responses, study().tests[BLOCKS[1]])
    close(margins(model, BLOCKS[1]), theirs, 1e-9)


def test_the_reference_is_the_trait_it_was_fitted_to():
    """Traits of a planted world are linear in the embedding, so only the small ridge is missing."""
    asked, trait = study().tests[BLOCKS[1]], study().responses.traits[:, 0]
    close(
        margins(fitted("reference"), BLOCKS[1]), trait[asked.chosen] - trait[asked.rejected], 0.05
    )


def test_the_reference_sees_the_trait_of_prompts_that_were_asked_about_and_of_no_others():
    responses, asked = study().responses, study().train.select(study().train.user < 3)
    rows = torch.isin(responses.prompt, responses.prompt[asked.chosen])
    hidden = replace(responses, traits=responses.traits * rows[:, None])
    assert torch.equal(
        METHODS["reference"].fit(responses, asked).reward.basis,
        METHODS["reference"].fit(hidden, asked).reward.basis,
    )
    assert 0 < int((~rows).sum()) < len(rows)


def test_the_reference_needs_a_trait_that_is_there():
    with pytest.raises(ValueError, match="trait 'judge' is not among .'trait 1'.*; name one"):
        Reference().fit(study().responses, study().train)


def test_the_mean_difference_worked_by_hand():
    two = pairs((0, 3, 1), (1, 2, 5))
    e = study().responses.embeddings
    direction = MeanDifference().fit(study().responses, two).reward.basis[:, 0]
    close(direction, (e[3] - e[1] + e[2] - e[5]) / 2, 1e-12)
