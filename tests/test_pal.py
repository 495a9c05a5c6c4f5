"""PAL: distances and angles written out, and new users' logits fitted one by one."""

import math
from dataclasses import asdict, replace

import pytest
import torch
from torch.nn import functional as F
from worlds import pairs, random, shuffled, toy_pairs, toy_responses, triples

from lore_core import Preferences
from lore_core.methods import PAL, NewUser, PALAModel, PALBModel, Schedule, pal
from lore_core.methods.networks import Setting
from lore_core.methods.pal import Projector, inputs_of
from lore_core.tools import draws

FORMS = {"A": PALAModel, "B": PALBModel}
both = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
FAST = NewUser(learning_rate=0.1, epochs=3, batch=4)
SMALL = PAL(rank=3, width=5, layers=1, batch=8, schedule=Schedule(20), new_user=FAST)


def close(one, other, tolerance=1e-5):
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def single(*shape, seed=0):
    return torch.randn(*shape, generator=random(seed))


def toy_model(form, new_user=FAST, n_users=5, layers=1):
    """Random networks on the toy responses."""
    sizes = {"d": 6, "rank": 3, "width": 5, "layers": layers, "n_users": n_users}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = form(sizes | {"new_user": asdict(new_user)})
    model.inputs.measure(toy_responses().embeddings)
    return model.requires_grad_(False)


def without_prompts():
    return replace(toy_responses(), prompt_embeddings=None)


def reward(model, weights, row):
    """r_u(x) of one user, with weights (K,), and one response, written out."""
    responses = toy_responses()
    f = model.project(model.inputs(responses.embeddings[row]))
    if isinstance(model, PALAModel):
        return -(f - model.project(weights @ model.prototypes)).norm()
    question = model.inputs(responses.prompt_embeddings[responses.prompt[row]])
    ideal = sum(w * g(question) for w, g in zip(weights, model.prototypes, strict=True))
    return model.log_scale.exp() * F.cosine_similarity(f, ideal, dim=0)


def fitted(model, some, start, batches):
    """Weights of one user after a step on each batch of their pairs, divergence written out."""
    logits, new_user = start.clone().requires_grad_(), model.new_user
    optimizer = torch.optim.AdamW([logits], new_user.learning_rate)
    for batch in batches:
        w = logits.softmax(0)
        divergence = (model.crowd * (model.crowd / w).log()).sum()
        loss = new_user.prior * divergence * new_user.epochs / len(batches)
        for _, chosen, rejected in triples(some.where(batch)):
            loss = loss + model.losses(reward(model, w, chosen) - reward(model, w, rejected))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return logits.detach().softmax(0)


# --- the rewards -------------------------------------------------------------------------------


def test_a_projector_written_out():
    x, plain, residual = (
        single(4, 6),
        Projector(6, 5, 2),
        Projector(6, 6, 1, torch.relu, residual=True),
    )
    first, second, third = plain.layers
    close(plain(x), third(F.gelu(second(F.gelu(first(x))))))
    first, second = residual.layers
    close(residual(x), second(first(x).clamp_min(0)) + x)
    (only,) = Projector(6, 5, 0).requires_grad_(False).layers
    assert only.weight.shape == (5, 6)


@both
@pytest.mark.parametrize("layers", [0, 2])
def test_rewards_are_distances_and_angles(form, layers):
    model, personal = toy_model(form, layers=layers), single(4, 3).softmax(1)
    user, rows = torch.tensor([3, 0, 0, 2, 3, 3]), torch.tensor([7, 7, 59, 0, 1, 30])
    expected = [reward(model, personal[u], row) for u, row in zip(user, rows, strict=True)]
    close(model.scores(toy_responses(), personal, user, rows), torch.stack(expected))


def test_a_response_at_the_ideal_point_is_the_best_that_there_can_be():
    model = toy_model(PALAModel)
    model.prototypes.copy_(model.inputs(toy_responses().embeddings[:3]))
    everybody = model.scores(
        toy_responses(), torch.eye(3), torch.zeros(60).long(), torch.arange(60)
    )
    assert everybody.argmax() == 0 and -2e-3 < everybody[0] <= 0


def test_the_scale_of_the_angles_stays_below_a_hundred():
    model = toy_model(PALBModel)
    user, rows = torch.zeros(60).long(), torch.arange(60)
    scores = model.scores(toy_responses(), torch.eye(3), user, rows)
    model.log_scale.fill_(9.0)
    close(
        model.scores(toy_responses(), torch.eye(3), user, rows), scores * 100 * 0.07, tolerance=1e-4
    )


def test_the_angles_scale_starts_as_published():
    assert float(toy_model(PALBModel).log_scale.exp()) == pytest.approx(1 / 0.07)


def test_prompts_are_read_by_their_ids():
    """The ideal of PAL-B belongs to the prompt: without its own prompt a response scores else."""
    model, responses = toy_model(PALBModel), toy_responses()
    turned = replace(responses, prompt_embeddings=responses.prompt_embeddings.flip(0))
    user, rows = torch.zeros(60).long(), torch.arange(60)
    one, other = (model.scores(r, torch.eye(3), user, rows) for r in (responses, turned))
    close(one[28:32], other[28:32])  # prompt 7 of 15 stays in the middle
    assert (one[:28] - other[:28]).abs().min() > 1e-5


@both
def test_blocks_do_not_matter(form, monkeypatch):
    model, some = toy_model(form, replace(FAST, batch=None)), toy_pairs()
    before = model.adapt(toy_responses(), some), model.margins(toy_responses(), some)
    monkeypatch.setattr(pal, "USERS", 2)
    close((model.adapt(toy_responses(), some), model.margins(toy_responses(), some)), before)


def test_prompts_are_needed_for_b_only():
    PALAModel.margins(toy_model(PALAModel), without_prompts(), toy_pairs())
    for use in ("margins", "adapt"):
        with pytest.raises(ValueError, match="reads the prompt on its own; give Responses prompt"):
            getattr(toy_model(PALBModel), use)(without_prompts(), toy_pairs())
    with pytest.raises(ValueError, match="reads the prompt on its own; give Responses prompt"):
        replace(SMALL, form=PALBModel).fit(without_prompts(), toy_pairs(), device="cpu")
    SMALL.fit(without_prompts(), toy_pairs(), device="cpu")


# --- training ----------------------------------------------------------------------------------


def test_a_learns_with_the_hinge_and_b_with_the_logistic_loss():
    margins = torch.tensor([-2.0, 0.0, 0.5, 1.0, 3.0])
    assert toy_model(PALAModel).losses(margins).tolist() == [3.0, 1.0, 0.5, 0.0, 0.0]
    close(toy_model(PALBModel).losses(margins), (1 + (-margins).exp()).log())


@both
def test_the_loss_of_a_batch_is_the_mean_loss_of_its_pairs(form):
    model, settings = toy_model(form), replace(SMALL, form=form)
    here = Setting.on(toy_responses(), toy_pairs(), None, 0, "cpu")
    batch = torch.tensor([3, 59, 17, 20, 0])
    margins = model.margins(here.responses, here.pairs)[batch]
    close(settings.loss(model, here, batch), model.losses(margins).mean())


@both
def test_every_part_is_trained_once_at_its_own_rate(form):
    settings = replace(
        SMALL, form=form, projector_rate=1e-3, personal_rate=2e-3, scale_rate=3e-3, decay=0.5
    )
    model = toy_model(form)
    groups = settings.optimizer(model).param_groups
    rates = {
        id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]
    }
    assert sum(len(group["params"]) for group in groups) == len(rates)
    for name, parameter in model.named_parameters():
        expected = (1e-3, 0.5)
        if name == "logits" or (name, form) == ("prototypes", PALAModel):
            expected = (2e-3, 0.0)
        if name == "log_scale":
            expected = (3e-3, 0.0)
        assert rates[id(parameter)] == expected, name


# --- new users ---------------------------------------------------------------------------------


def test_a_pass_goes_through_a_users_pairs_in_batches():
    assert NewUser().batches(torch.tensor([0, 1, 4, 5, 9])).tolist() == [0, 1, 1, 2, 3]
    everything = NewUser(batch=None)
    assert everything.batches(torch.tensor([0, 1, 500])).tolist() == [0, 1, 1]


@both
@pytest.mark.parametrize("prior", [0.0, 2.0])
@pytest.mark.parametrize("random_start", [True, False])
def test_new_users_are_fitted_as_if_each_were_alone(form, prior, random_start):
    """Users of three, three, two and no pairs, side by side."""
    model = toy_model(form, replace(FAST, batch=None, prior=prior, random=random_start))
    some = toy_pairs(n_users=3, n_pairs=8)
    some = Preferences(some.user, some.chosen, some.rejected, 4)
    weights, start = model.adapt(toy_responses(), some, seed=4), model.start(4, random(4))
    for user in range(3):
        mine = some.where(some.user == user)
        everything = [torch.arange(len(mine))] * 3  # one for each of three epochs
        close(weights[user], fitted(model, mine, start[user], everything), 1e-4)
    close(weights[3], model.crowd)


@both
@pytest.mark.parametrize("n_pairs", [4, 7])
def test_new_users_are_fitted_in_batches_of_a_new_order_in_each_pass(form, n_pairs):
    model = toy_model(form, replace(FAST, prior=0.7))
    mine = toy_pairs(n_users=1, n_pairs=n_pairs).in_order()
    generator = random(4)
    start, batches = model.start(1, generator)[0], []
    for _ in range(3):
        batches += draws.uniform(generator, 1, n_pairs)[0].argsort().split(4)
    assert len(batches) == 3 * math.ceil(n_pairs / 4)
    found = model.adapt(toy_responses(), shuffled(mine), seed=4)
    close(found[0], fitted(model, mine, start, batches), 1e-4)


def test_every_pass_reads_every_pair_once(monkeypatch):
    """Users of five, six and eight pairs, all in two batches of at most four."""
    model, read = toy_model(PALAModel), []
    owner = torch.tensor([0] * 5 + [1] * 6 + [2] * 8)
    some = Preferences(owner, torch.arange(19), torch.arange(19) + 30, 3)
    monkeypatch.setattr(
        PALAModel,
        "loss",
        lambda self, items, there, logits, n: read.append((items, there)) or logits.sum(),
    )
    monkeypatch.setattr(PALAModel, "items", lambda self, tables, rows: rows)
    model.adapt(toy_responses(), some)
    assert len(read) == 3 * 2
    for first, second in zip(read[::2], read[1::2], strict=True):
        chosen, rejected = torch.cat([rows.view(3, 2, 4) for rows, _ in (first, second)], 2).unbind(
            1
        )
        there = torch.cat([first[1], second[1]], 1)
        assert (first[1].sum(1).tolist(), second[1].sum(1).tolist()) == ([4, 4, 4], [1, 2, 4])
        assert torch.equal(rejected[there], chosen[there] + 30)
        for user in range(3):
            mine = chosen[user][there[user]].sort().values
            assert torch.equal(mine, (owner == user).nonzero().flatten())


def test_a_random_start_is_normal_and_another_one_is_the_crowd():
    start = toy_model(PALAModel).start(3000, random(0))
    assert abs(float(start.mean())) < 0.05 and abs(float(start.std()) - 1) < 0.05
    model = toy_model(PALAModel, replace(FAST, random=False))
    close(model.start(2, random(0)).softmax(1), model.crowd.expand(2, -1))


@both
def test_a_huge_prior_leaves_everybody_with_the_crowd(form):
    some, loose = toy_pairs(), NewUser(0.01, epochs=60, batch=None, random=False)
    distances = []
    for prior in (0.0, 1.0, 1e5):
        model = toy_model(form, replace(loose, prior=prior))
        weights = model.adapt(toy_responses(), some)
        distances.append(float((weights - model.crowd).abs().max()))
    assert distances[0] > distances[1] > distances[2] and distances[2] < 0.01 < distances[0]


@both
def test_more_steps_explain_a_users_pairs_better(form):
    some, losses = toy_pairs(n_users=2, n_pairs=12), []
    for epochs in (0, 1, 10):
        model = toy_model(form, replace(FAST, epochs=epochs, batch=None, random=False))
        weights = model.adapt(toy_responses(), some)
        losses.append(float(model.losses(model.margins(toy_responses(), some, weights)).sum()))
    assert losses[0] > losses[1] > losses[2]


def test_the_items_of_b_do_not_grow_with_the_width():
    model = toy_model(PALBModel)
    tables = model.tables(*inputs_of(toy_responses()))
    assert [tuple(t.shape) for t in tables] == [(60, 3), (15, 3, 3), (60,)]


def test_pairs_of_one_prompt_are_enough_to_learn_from():
    settings = replace(SMALL, form=PALBModel, batch=1, schedule=Schedule(3))
    model = settings.fit(toy_responses(), pairs((0, 0, 1), (0, 2, 1)), device="cpu")
    assert math.isfinite(float(model.margins(toy_responses(), pairs((0, 3, 0)))))
