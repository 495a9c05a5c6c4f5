"""VPL: its networks read what they should, and learn from questions that keep answers hidden."""

import math
from dataclasses import replace
from itertools import islice

import pytest
import torch
from scipy.stats import ks_2samp
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F
from worlds import pairs, random, shuffled, toy_pairs, toy_responses, triples

from lore_core.methods import VPL, Schedule, vpl
from lore_core.methods.networks import TrainingData
from lore_core.methods.side_by_side import SideBySide
from lore_core.methods.vpl import VPLModel
from lore_core.methods.vpl_training import Questions, divergence
from lore_core.tools.draws import Draws

CPU = torch.device("cpu")

SMALL = VPL(hidden=8, latent=4, users=3, targets=2, learning_rate=1e-2, schedule=Schedule(20))


def close(one, other, tolerance=1e-5):
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def single(*shape, seed=0):
    return torch.randn(*shape, generator=random(seed))


def toy_model(n_users=5, stretch=3.0):
    """Random networks with weights so large that some outputs are clamped, and some are not."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = VPLModel(6, 8, 4, n_users)
    with torch.no_grad():
        model.set_encoder.mean.weight *= stretch
        model.personal.copy_(single(n_users, 4))
    model.inputs.measure(toy_responses().embeddings)
    return model.requires_grad_(False)


def fit(settings=SMALL, some=None, **options):
    some = toy_pairs() if some is None else some
    return settings.fit(toy_responses(), some, device="cpu", **options)


def read(encoder, codes):
    """μ and log σ² of one user's codes (C, z), written out pair by pair."""
    answers = []
    for one in codes:
        match = [encoder.query(one) @ encoder.key(other) / 2 for other in codes]  # √z = 2
        shares = torch.stack(match).softmax(0)
        values = [encoder.value(other) for other in codes]
        answers.append(sum(s * v for s, v in zip(shares, values, strict=True)))
    mean = sum(answers) / len(answers)
    return encoder.mean(mean).clamp(-1, 1), encoder.log_variance(mean).clamp(-1, 1)


def latents(model, some):
    """(μ, log σ²) of all users, one user and one pair after another."""
    e = model.inputs(toy_responses().embeddings)
    rows = []
    for user in range(some.n_users):
        mine = [torch.cat([e[c], e[r]]) for u, c, r in triples(some) if u == user]
        rows.append(read(model.set_encoder, [model.pair_encoder(pair) for pair in mine]))
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))


# --- the networks ------------------------------------------------------------------------------


def test_the_set_encoder_sees_nothing_of_what_only_fills_the_table():
    encoder, codes = toy_model().set_encoder, single(3, 5, 4)
    there = torch.arange(5) < torch.tensor([[2], [5], [1]])
    means, log_variances = encoder(torch.where(there[..., None], codes, 1e3), there)
    for user, n in enumerate((2, 5, 1)):
        mean, log_variance = read(encoder, codes[user, :n])
        close(means[user], mean)
        close(log_variances[user], log_variance)
    assert (means.abs() == 1).any() and (means.abs() < 1).any()


def test_the_posterior_reads_each_users_own_pairs():
    some = toy_pairs(n_pairs=37)
    model = toy_model()
    e = model.inputs(toy_responses().embeddings)
    for found, expected in zip(model.posterior_once(e, some), latents(model, some), strict=True):
        close(found, expected)


def test_order_of_context_does_not_matter():
    model, some = toy_model(), toy_pairs()
    e = model.inputs(toy_responses().embeddings)
    close(model.posterior_once(e, shuffled(some))[0], model.posterior_once(e, some)[0])


def test_a_repeated_pair_counts_as_often_as_it_appears():
    model, twice = toy_model(), pairs((0, 1, 2), (0, 1, 2), (0, 3, 4))
    found, _ = model.posterior_once(model.inputs(toy_responses().embeddings), twice)
    once = twice.select(torch.tensor([0, 2]))
    close(found, latents(model, twice)[0])
    assert (found - latents(model, once)[0]).abs().max() > 1e-3


def test_rewards_are_those_of_the_network_on_embedding_and_latent_side_by_side():
    model, e, z = toy_model(), single(9, 6), single(5, 4, seed=1)
    user, rows = torch.tensor([0, 4, 4, 2, 0]), torch.tensor([8, 8, 0, 3, 3])
    expected = model.reward(torch.cat([e[rows], z[user]], 1))[:, 0]
    of_e, of_z = model.halves(e, z)
    close(model.rewards(of_e[rows] + of_z[user]), expected)


def test_the_networks_are_those_of_the_paper():
    model = toy_model()
    shapes = [
        [tuple(part.weight.shape) for part in network if hasattr(part, "weight")]
        for network in (model.pair_encoder, model.reward)
    ]
    assert shapes == [[(8, 12), (8, 8), (4, 8)], [(8, 10), (8, 8), (1, 8)]]
    x = single(2, 12)
    for layer in (0, 2, 4):
        x = F.linear(x, model.pair_encoder[layer].weight, model.pair_encoder[layer].bias)
        x = x if layer == 4 else torch.where(x > 0, x, 0.2 * x)
    close(model.pair_encoder(single(2, 12)), x)


def test_new_users_get_the_mean_of_their_posterior():
    model, some = toy_model(), toy_pairs(n_users=7)
    close(model.adapt(toy_responses(), some), latents(model, some)[0])


def test_blocks_do_not_matter(monkeypatch):
    model, some = toy_model(), toy_pairs()
    before = model.adapt(toy_responses(), some), model.margins(toy_responses(), some)
    monkeypatch.setattr(vpl, "SETS", 2)
    monkeypatch.setattr(vpl, "ROWS", 7)
    close((model.adapt(toy_responses(), some), model.margins(toy_responses(), some)), before)


# --- the loss ----------------------------------------------------------------------------------


def test_divergence_is_that_of_normal_distributions():
    mean, log_variance = single(5, 4), single(5, 4, seed=1)
    one, other = Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)
    close(divergence(mean, log_variance), kl_divergence(one, other).sum(1))
    assert divergence(torch.zeros(1, 4), torch.zeros(1, 4)) == 0


def test_the_weight_of_the_divergence_goes_from_a_tenth_to_all_of_it_and_back():
    assert VPL(kl=2.0, cycle=None).beta(7) == 2.0
    beta = VPL(kl=2.0, cycle=100).beta
    assert [beta(step) for step in (0, 25, 50, 75, 100, 150)] == pytest.approx(
        [0.2, 1.1, 2.0, 1.1, 0.2, 2.0]
    )


def test_the_stronger_the_divergence_the_less_tells_users_apart():
    sizes = [
        float(fit(replace(SMALL, kl=kl, cycle=None, schedule=Schedule(100))).personal.abs().mean())
        for kl in (0.0, 0.1, 10.0)
    ]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0] / 3


def losses(settings, model, some, n, seed=0):
    """The first n losses of a training run that never moves."""
    data = TrainingData.of(toy_responses(), some, None, seed, "cpu")
    return torch.stack(list(islice(settings.losses(model, data, Draws(seed, CPU)), n)))


def alike(counts):
    """User u gives row u over row 30 + u, so many times: what is read is what is asked."""
    triples_of = [(user, user, 30 + user) for user, n in enumerate(counts) for _ in range(n)]
    return pairs(*triples_of)


def margin(model, user, z):
    """What each row of z says of the pair that a user of `alike` gives."""
    e = model.inputs(toy_responses().embeddings)
    chosen, rejected = (
        model.reward(torch.cat([e[row].expand(len(z), -1), z], 1))[:, 0]
        for row in (user, 30 + user)
    )
    return chosen - rejected


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("users", [1, 3, 5])
def test_loss_and_gradient_are_those_of_a_loop_over_users_and_pairs(users, rescale):
    settings = replace(SMALL, users=users, kl=0.5, context=(1, 4), targets=3, rescale=rescale)
    model, some = toy_model(stretch=1.0).requires_grad_(), shuffled(toy_pairs(n_pairs=37))
    found = gradients(losses(settings, model, some, 3).sum(), model)
    expected = gradients(sum(islice(looped(settings, model, some), 3)), model)
    assert all(gradient is not None and gradient.any() for gradient in found)
    close(found, expected, 1e-4)


def gradients(loss, model):
    """The loss and the gradient of every parameter, but for two that cancel."""
    cancel = "set_encoder.key.bias", "reward.4.bias"
    named = [p for name, p in model.named_parameters() if name not in cancel]
    return [loss.detach(), *torch.autograd.grad(loss, named)]


def looped(settings, model, some, seed=0):
    """The losses, one user and one pair after another."""
    data, draws = TrainingData.of(toy_responses(), some, None, seed, "cpu"), Draws(seed, CPU)
    questions, e = Questions(settings, data.pairs, draws), model.inputs(data.responses.embeddings)
    for step in range(9):
        context, targets = questions.draw()
        noise = draws.normal(len(context.mask), 4)
        terms, away = [], []
        for user in range(len(noise)):
            pairs_read = [torch.cat([e[c], e[r]]) for c, r in kept(context, user)]
            codes = [model.pair_encoder(pair) for pair in pairs_read]
            mean, log_variance = read(model.set_encoder, codes)
            z = mean + (log_variance / 2).exp() * noise[user]
            z = 2 * z / z.norm() if settings.rescale else z  # √z = 2
            for sides in kept(targets, user):
                chosen, rejected = (model.reward(torch.cat([e[row], z])) for row in sides)
                terms.append(F.softplus(rejected - chosen))
            away.append(kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)))
        away = torch.stack(away).sum(1).mean()
        yield torch.cat(terms).mean() + settings.beta(step) * away


def kept(table, user):
    """A user's pairs in a table: (chosen, rejected)."""
    mask = table.mask[user]
    return zip(table.chosen[user][mask], table.rejected[user][mask], strict=True)


def test_the_gradient_of_a_layer_on_inputs_side_by_side_is_that_of_finite_differences():
    weight, bias, e, z = (
        torch.randn(*shape, generator=random(0), dtype=torch.float64, requires_grad=True)
        for shape in ((3, 7), (3,), (4, 5), (6, 2))
    )
    assert torch.autograd.gradcheck(SideBySide.apply, (weight, bias, e, z))
    of_e, of_z = SideBySide.apply(weight, bias, e, z)
    together = torch.cat([e[[0, 3]], z[[5, 2]]], 1)
    close(of_e[[0, 3]] + of_z[[5, 2]], F.linear(together, weight, bias))


@pytest.mark.parametrize("cycle", [None, 10])
def test_the_loss_is_the_mean_over_pairs_asked_and_the_mean_divergence_of_users(cycle):
    """A reward that does not look at z leaves nothing to chance: one pair and four are asked."""
    settings = replace(SMALL, users=2, targets=4, kl=3.0, cycle=cycle)
    model, some = toy_model(2), alike([2, 8])
    model.reward[0].weight[:, 6:] = 0
    one, four = F.softplus(-torch.cat([margin(model, u, torch.zeros(1, 4)) for u in (0, 1)]))
    mean, log_variance = latents(model, some)
    away = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    found = losses(settings, model, some, 6)
    for step in (0, 5):
        close(found[step], (one + 4 * four) / 5 + settings.beta(step) * away)


@pytest.mark.parametrize("rescale", [False, True])
def test_the_loss_is_that_of_a_latent_drawn_from_the_posterior(rescale):
    """Its distribution, by Kolmogorov and Smirnov, beside that of as many draws of our own."""
    settings = replace(SMALL, users=1, kl=0.0, rescale=rescale)
    model, some = toy_model(1), alike([2])
    model.set_encoder.log_variance.bias.copy_(torch.tensor([9.0, 9.0, 9.0, -9.0]))  # clamped
    mean, log_variance = latents(model, some)
    z = mean + (log_variance / 2).exp() * single(20_000, 4, seed=9)
    z = 2 * F.normalize(z, dim=1) if rescale else z  # √z = 2
    expected = F.softplus(-margin(model, 0, z))
    found = losses(settings, model, some, 1000)
    assert ks_2samp(found.numpy(), expected.numpy()).pvalue > 1e-3


def test_a_latent_is_drawn_anew_for_every_user_and_in_every_step():
    settings, model = replace(SMALL, users=1, kl=0.0), toy_model(1)
    assert len(losses(settings, model, alike([2]), 20).unique()) == 20
    crowd = [(user, 0, 30) for user in range(400) for _ in range(2)]
    together = losses(replace(settings, users=400, targets=1), model, pairs(*crowd), 20)
    one_by_one = losses(settings, model, alike([2]), 400)
    assert together.std() < one_by_one.std() / 5  # a mean of 400 draws: a twentieth, were it exact


def test_the_published_rescaling_gives_every_latent_the_length_of_a_typical_draw():
    z = single(5, 4)
    stretched = replace(SMALL, rescale=True).stretched(z)
    close(stretched.norm(dim=1), torch.full((5,), 2.0))
    close(F.cosine_similarity(stretched, z), torch.ones(5))
    assert SMALL.stretched(z) is z


def test_rescaling_changes_training_only():
    other = replace(SMALL, rescale=True)
    untrained = replace(SMALL, schedule=Schedule(0)), replace(other, schedule=Schedule(0))
    close(*(fit(settings).personal for settings in untrained), 0)
    plain, rescaled = fit(SMALL), fit(other)
    assert not torch.equal(plain.personal, rescaled.personal)
    some = toy_pairs()
    close(rescaled.adapt(toy_responses(), some), latents(rescaled, some)[0])


def test_seen_users_are_read_as_new_ones_are():
    model = fit()
    close(model.personal, model.adapt(toy_responses(), toy_pairs().in_order()), 0)


def test_users_need_two_pairs_to_be_learned_from():
    with pytest.raises(ValueError, match="users with at least two pairs: one to infer the user"):
        fit(some=pairs((0, 0, 1), (1, 2, 3)))


# --- questions ---------------------------------------------------------------------------------

COUNTS = [1, 2, 5, 9, 0, 3]
SINCE = [sum(COUNTS[:user]) for user in range(6)]  # user u's pairs choose rows from SINCE[u] on


def questions(**changes):
    """Questions about users with so many pairs, each of which chose another row."""
    user = torch.arange(6).repeat_interleave(torch.tensor(COUNTS))
    some = pairs(*((int(u), row, 30 + row) for row, u in enumerate(user)), n_users=6)
    settings = replace(SMALL, context=(1, 3), targets=3, **changes)
    data = TrainingData.of(toy_responses(), shuffled(some), None, 0, "cpu")
    return Questions(settings, data.pairs, Draws(0, CPU)), dict(enumerate(user.tolist()))


def draws(n, **changes):
    """For each user of n draws: (who they are, rows of the context, rows of the targets)."""
    source, whose = questions(**changes)
    for _ in range(n):
        context, targets = source.draw()
        assert len(context.mask) == len(targets.mask)
        for some in (context, targets):
            assert torch.equal(some.rejected, some.chosen + 30)
        for user in range(len(context.mask)):
            read, asked = (p.chosen[user][p.mask[user]].tolist() for p in (context, targets))
            (who,) = {whose[row] for row in read + asked}
            yield who, read, asked


def test_nothing_is_both_read_and_asked():
    for _, read, asked in draws(40):
        assert len(set(read + asked)) == len(read) + len(asked)


def test_as_many_pairs_are_read_and_asked_as_was_set():
    for who, read, asked in draws(40):
        assert len(asked) == min(COUNTS[who] // 2, 3)
        assert 1 <= len(read) <= min(3, COUNTS[who] - len(asked))
    assert {len(read) for who, read, _ in draws(40) if who == 3} == {1, 2, 3}


def test_a_user_with_two_pairs_has_one_read_and_the_other_asked():
    seen = {(read[0], asked[0]) for who, read, asked in draws(40) if who == 1}
    assert seen == {(1, 2), (2, 1)}


def test_every_pair_is_read_now_and_asked_then():
    for part in (1, 2):
        rows = {row for draw in draws(60) if draw[0] == 3 for row in draw[part]}
        assert rows == set(range(SINCE[3], SINCE[3] + 9))


def test_all_users_with_two_pairs_take_turns():
    asked = [who for who, *_ in draws(10, users=2)]
    assert all(set(asked[i : i + 4]) == {1, 2, 3, 5} for i in range(0, 20, 4))


def test_no_pair_is_asked_more_often_than_another():
    times = torch.zeros(9)
    for who, _, asked in draws(300):
        if who == 3:
            times[torch.tensor(asked) - SINCE[3]] += 1
    assert (times / times.sum() - 1 / 9).abs().max() < 4 * math.sqrt(1 / 9 * 8 / 9 / times.sum())
