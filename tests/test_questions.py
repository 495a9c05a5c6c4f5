"""What answers say about a new user's weights, and which pair to ask about next."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from scipy import stats
from worlds import normal, planted, random, toy_responses

from lore_core import LowRankReward, Preferences, fit_basis, fit_weights
from lore_core.decisions import questions
from lore_core.decisions.cloud import Cloud, answer_entropy, entropy
from lore_core.decisions.laplace import laplace
from lore_core.decisions.particles import Particles, prior_particles, resampled
from lore_core.decisions.posterior import at, point_prior, prior
from lore_core.decisions.simplex_normal import SimplexNormal, around_best
from lore_core.evaluation import asking, question_rows
from lore_core.evaluation.asking import Interview, ask, best_and_worst
from lore_core.evaluation.calibration import model_answers, share_below
from lore_core.evaluation.newcomers import Newcomers
from lore_core.evaluation.study import UNSEEN, Study
from lore_core.evaluation.temperature import best_temperature
from lore_core.likeness import likeness
from lore_core.recipes import FewShot
from lore_core.simplex_logistic import SimplexLogistic
from lore_core.simulation.habits import Habit
from lore_core.simulation.tastes import dirichlet_tastes
from lore_core.tools import draws

POLICIES = questions.POLICIES | {"gradient": questions.gradient(normal(9, 3, seed=8))}
each_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
SEEN = dirichlet_tastes(20, 3, 0.3, random(3))
GAPS = normal(40, 3, seed=4) * 2
WEAK = FewShot(centre="crowd", prior=0.1)


def cloud(n_users=5, n=7, shared=False, temperature=0.7):
    """Random particles that count differently for every user."""
    points = dirichlet_tastes((1 if shared else n_users) * n, 3, 0.5, random(1))
    return Cloud(points.view(-1, n, 3), normal(n_users, n, seed=2), temperature)


def asked(known, truth, n, generator, move=True, scale=2.0):
    """What is known after n answers to random pairs."""
    for _ in range(n):
        gaps = draws.normal(generator, *truth.shape) * scale
        known = known.update(
            gaps, model_answers(truth, gaps, 1.0, generator), generator if move else None
        )
    return known


# information


@pytest.mark.parametrize("shared", [True, False])
def test_information_is_the_mutual_information_of_answer_and_weights(shared):
    known = cloud(shared=shared)
    for user, found in enumerate(questions.gain(known, GAPS)):
        points, counts = known.particles[0 if shared else user], known.weights[user]
        for gap, value in zip(GAPS, found, strict=True):
            by_answers = 0.0
            for sign in (1, -1):
                likely = (sign * points @ gap / 0.7).sigmoid()
                by_answers += (counts * likely * (likely / (counts @ likely)).log()).sum()
            assert value == pytest.approx(float(by_answers), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e3, 1e8])
def test_information_is_never_negative_and_at_most_a_coin_s(scale):
    found = questions.gain(cloud(), GAPS * scale)
    assert (found >= 0).all() and (found <= entropy(torch.tensor(0.5)) + 1e-9).all()


def test_a_pair_of_equals_is_all_doubt_and_says_nothing():
    known, equals = cloud(), torch.zeros(1, 3, dtype=torch.float64)
    assert questions.gain(known, equals).abs().max() < 1e-12
    pool = torch.cat([GAPS, equals])
    assert (questions.uncertain(known, pool, random(0)) == len(GAPS)).all()
    assert (questions.information(known, pool, random(0)) < len(GAPS)).all()


def test_two_particles_by_hand():
    """Somebody likes one basis reward or the other; the pair differs by 2 in either direction."""
    known = point_prior(torch.eye(2, dtype=torch.float64), n_users=1)
    gap = torch.tensor([[2.0, -2.0]], dtype=torch.float64)
    assert questions.gain(known, gap).item() == pytest.approx(0.327813, abs=1e-6)
    after = known.update(gap, torch.tensor([True]))
    assert after.weights[0].tolist() == pytest.approx([0.880797, 0.119203], abs=1e-6)


def test_single_precision_is_the_same_to_six_digits():
    one, other = (questions.gain(cloud(), some) for some in (GAPS, GAPS.float()))
    torch.testing.assert_close(other.double(), one, rtol=0, atol=2e-6)


def test_the_entropy_of_an_answer_keeps_its_digits():
    margins = torch.tensor([-40.0, -3.0, 0.0, 3.0, 40.0], dtype=torch.float64)
    expected = [41 * 4.248354255e-18, 0.190865, 0.693147, 0.190865, 41 * 4.248354255e-18]
    assert answer_entropy(margins)[1:4].tolist() == pytest.approx(expected[1:4], abs=1e-6)
    assert answer_entropy(margins)[[0, 4]].tolist() == pytest.approx([expected[0]] * 2, rel=0.05)


# policies


def test_the_optimal_pair_has_the_largest_variance():
    known = cloud()
    margins = known.particles @ GAPS.T
    mean = (known.weights[..., None] * margins).sum(1, keepdim=True)
    variance = (known.weights[..., None] * (margins - mean) ** 2).sum(1)
    assert torch.equal(questions.optimal(known, GAPS, random(0)), variance.argmax(1))


@pytest.mark.parametrize("shared", [True, False])
def test_the_gradient_is_what_is_ranked_right_after_either_answer(shared):
    known, tests = cloud(shared=shared), normal(9, 3, seed=8)
    found = questions.ranked_right(known, 3, GAPS, tests)
    points, counts = known.particles[0 if shared else 3], known.weights[3]
    for gap, value in zip(GAPS, found, strict=True):
        right = 0.0
        for sign in (1, -1):
            joint = counts * (sign * points @ gap / 0.7).sigmoid()
            for test in tests:
                first = joint[points @ test > 0].sum()
                right += max(first, joint.sum() - first)
        assert value == pytest.approx(float(right) / len(tests), abs=1e-12)


@each_policy
def test_a_policy_names_a_pair_for_every_user(policy):
    picked = policy(cloud(n_users=6), GAPS, random(0))
    assert picked.shape == (6,) and picked.dtype == torch.long
    assert picked.min() >= 0 and picked.max() < len(GAPS)


@each_policy
def test_a_user_s_question_does_not_depend_on_the_others(policy):
    if policy is questions.random:
        return
    known = cloud()
    alone = Cloud(known.particles[2:3], known.log_weights[2:3], known.temperature)
    assert policy(alone, GAPS, random(0)) == policy(known, GAPS, random(0))[2]


@each_policy
def test_one_particle_leaves_nothing_to_ask(policy):
    known = point_prior(SEEN[:1], n_users=3)
    assert questions.gain(known, GAPS).abs().max() < 1e-12
    assert policy(known, GAPS, random(0)).shape == (3,)


def after_all(known, answered):
    """Laplace's posterior after these answers (N, b, K), without all those on the way."""
    told = replace(known, answered=answered[:, :-1])
    return told.update(answered[:, -1], torch.ones(len(answered), dtype=torch.bool))


# the posterior


def test_one_particle_never_moves():
    known = prior(SEEN, 4, 1, random(0))
    after = asked(known, SEEN[:4], 30, random(1))
    assert torch.equal(after.particles.expand(4, -1, -1), known.particles.expand(4, -1, -1))


def test_the_order_of_answers_does_not_matter():
    gaps, first = normal(12, 5, 3, seed=5), normal(12, 5, seed=6) > 0
    known = prior(SEEN, 5, 200, random(0), temperature=0.5)
    orders = [range(12), reversed(range(12)), torch.randperm(12, generator=random(2)).tolist()]
    ends = []
    for order in orders:
        after = known
        for step in order:
            after = after.update(gaps[step], first[step])
        ends.append(after.log_weights)
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=0, atol=1e-10)


def test_at_the_seen_users_it_is_the_likeness_of_the_default_for_new_users():
    reward, world = LowRankReward.from_weights(normal(6, 3), SEEN), toy_responses()
    chosen, rejected = torch.arange(0, 20, 2), torch.arange(1, 20, 2)
    pairs = Preferences(torch.arange(10) % 2, chosen, rejected, 2)
    gaps = reward.gaps(world, pairs)
    expected = likeness(lambda some: gaps[some] @ SEEN.T, pairs, len(SEEN))
    known = point_prior(SEEN, n_users=2)
    for both in gaps.view(5, 2, 3):
        known = known.update(both, torch.tensor([True, True]))
    torch.testing.assert_close(known.weights, expected)


def test_resampling_keeps_how_much_a_particle_counts():
    weights = torch.tensor([[0.5, 0.25, 0.25, 0.0], [0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    counts = [row.bincount(minlength=4).tolist() for row in resampled(weights, random(0))]
    assert counts == [[2, 1, 1, 0], [0, 0, 0, 4]]


def test_a_metropolis_step_leaves_the_prior_as_it_is():
    parts = prior_particles(SEEN, 20_000, random(0))
    nothing = torch.zeros(1, 0, 3, dtype=torch.float64)
    after = parts
    for seed in range(8):
        after = after.moved(nothing, random(seed))
    assert (after.free != parts.free).any(-1).double().mean() > 0.9
    assert torch.equal(after.anchor, parts.anchor)
    for power, expected in ((1, 1 / 3), (2, (0.5 * 1.5) / (1.5 * 2.5)), (0.5, 0.5)):
        found = after.free[0].pow(power).mean(0)
        assert found.tolist() == pytest.approx([expected] * 3, abs=0.01)


def test_particles_that_move_say_what_many_that_stay_say():
    """The oracle: so many particles that the prior's own still count."""
    truth = SEEN[:8]
    few = asked(prior(SEEN, 8, 1000, random(0)), truth, 25, random(1))
    many = asked(prior(SEEN, 8, 100_000, random(2)), truth, 0, random(1))
    for gaps in few.answered.unbind(1):
        many = many.update(gaps, torch.ones(8, dtype=torch.bool))
    assert len(few.particles) == 8 and len(many.particles) == 1
    assert (few.mean - many.mean).abs().max() < 0.05
    difference = few.preferred(GAPS) - many.preferred(GAPS)
    assert difference.abs().max() < 0.05 and difference.abs().mean() < 0.01


def test_contradictions_leave_a_posterior():
    gaps = torch.tensor([[1e6, -1e6, 0.0], [3.0, -3.0, 1.0]], dtype=torch.float64)
    for known in (prior(SEEN, 2, 100, random(0)), laplace(SEEN, 2, 100, random(0))):
        for step in range(40):
            first = torch.tensor([step % 2 == 0, step % 2 == 1])
            known = known.update(gaps, first, random(step))
        assert known.mean.isfinite().all() and known.covariance.isfinite().all()
        torch.testing.assert_close(known.mean.sum(1), torch.ones(2, dtype=torch.float64))
        assert (known.particles >= 0).all()


def test_one_seed_repeats_bit_for_bit_and_two_differ():
    ends = [asked(prior(SEEN, 6, 50, random(s)), SEEN[:6], 12, random(s)) for s in (0, 0, 1)]
    assert torch.equal(ends[0].particles, ends[1].particles)
    assert torch.equal(ends[0].log_weights, ends[1].log_weights)
    assert not torch.equal(ends[0].particles, ends[2].particles)


# Laplace


def test_the_mode_is_what_fit_weights_says():
    reward, world = LowRankReward.from_weights(normal(6, 3), SEEN), toy_responses()
    pairs = Preferences(torch.arange(10) % 2, torch.arange(10), torch.arange(10) + 20, 2)
    for recipe in (FewShot(), FewShot(centre="crowd", prior=0.5, temperature=2.0)):
        known = laplace(SEEN, 2, 10, random(0), recipe)
        for both in reward.gaps(world, pairs).view(5, 2, 3):
            known = known.update(both, torch.tensor([True, True]))
        expected = fit_weights(reward, world, pairs, recipe)
        torch.testing.assert_close(known.mode, expected.double(), rtol=1e-6, atol=1e-8)


def test_the_precision_is_the_curvature_in_units_of_the_weights():
    gaps, pull = normal(2, 6, 4, seed=1), dirichlet_tastes(2, 4, 1.0, random(0)) * 2
    found = around_best(gaps, pull, pull / 2, 50)
    for user in range(2):
        shots = SimplexLogistic(gaps[[user]], pull[[user]])

        def loss(y, shots=shots, mode=found.mode[[user]]):
            return shots.losses(mode * (1 + y))[0]

        expected = torch.autograd.functional.hessian(loss, torch.zeros(4, dtype=torch.float64))
        torch.testing.assert_close(found.precision[user], expected, rtol=1e-6, atol=1e-8)


def test_draws_have_the_covariance_of_the_free_directions():
    """By hand: the inverse of the precision on a basis of all y with ŵ · y = 0."""
    mode = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    precision = torch.tensor([[400.0, 30.0, 0.0], [30.0, 900.0, 0.0], [0.0, 0.0, 600.0]]).double()
    points = SimplexNormal(mode, precision[None]).points(normal(1, 200_000, 3))[0]
    free = torch.tensor([[0.3, 0.2], [-0.5, 0.0], [0.0, -0.5]], dtype=torch.float64)
    inner = free @ torch.linalg.inv(free.T @ precision @ free) @ free.T
    expected = mode.T * inner * mode
    torch.testing.assert_close(points.T.cov(), expected, rtol=0.02, atol=2e-6)
    torch.testing.assert_close(points.mean(0), mode[0], rtol=0, atol=1e-3)


def test_laplace_and_particles_agree_after_200_answers():
    """With weak priors, and tastes away from the edges, where the posterior is not normal."""
    truth, equal = dirichlet_tastes(6, 3, 10.0, random(7)), torch.eye(3, dtype=torch.float64)
    free = dirichlet_tastes(2000, 3, 0.5, random(0))[None]
    parts = Particles(equal.mean(0).expand_as(free), torch.ones_like(free[..., :1]), free)
    known = asked(at(parts, 6, 1.0), truth, 200, random(1), scale=4.0)
    other = after_all(laplace(equal, 6, 2000, random(2), WEAK), known.answered)
    total_variation = (known.preferred(GAPS) - other.preferred(GAPS)).abs()
    assert known.answered.shape == (6, 200, 3) and total_variation.max() < 0.02


# calibration


def uneven(values, bins=10):
    """How unlikely such counts are if values are uniform: p of a chi-squared test."""
    return stats.chisquare(torch.histc(values, bins, 0, 1).numpy()).pvalue


@pytest.mark.parametrize(("wrong", "calibrated"), [(1.0, True), (0.25, False), (4.0, False)])
def test_the_truth_ranks_evenly_among_particles(wrong, calibrated):
    """And not with a wrong temperature: the test can see."""
    n = 600
    truth = prior_particles(SEEN, n, random(10)).points[0]
    known = prior(SEEN, n, 400, random(11), temperature=wrong)
    known = asked(known, truth, 15, random(12), scale=4.0)
    found = uneven(share_below(known, truth, normal(3, seed=13)))
    assert found > 0.01 if calibrated else found < 1e-6


@pytest.mark.parametrize(("wrong", "calibrated"), [(1.0, True), (0.25, False)])
def test_the_truth_ranks_evenly_among_laplace_s_draws(wrong, calibrated):
    """Where tastes are away from the edges."""
    n, recipe = 600, FewShot(centre="crowd", prior=30.0, temperature=wrong)
    truth, generator = (
        draws.dirichlet(random(10), (1 + 30 * SEEN.mean(0)).expand(n, -1)),
        random(12),
    )
    gaps = draws.normal(generator, 60, n, 3) * 4
    said = [model_answers(truth, some, 1.0, generator) for some in gaps]
    signed = [torch.where(f[:, None], g, -g) for f, g in zip(said, gaps, strict=True)]
    known = after_all(laplace(SEEN, n, 400, random(11), recipe), torch.stack(signed, 1))
    found = uneven(share_below(known, truth, normal(3, seed=13)))
    assert found > 0.01 if calibrated else found < 1e-6


# users who answer


def test_of_equals_a_coin_decides_and_noise_follows_the_lead():
    lead = torch.tensor([2.0, -2.0, 0.0, 1e-12], dtype=torch.float64)
    assert Habit().probability(lead, tie=1e-9).tolist() == [1.0, 0.0, 0.5, 0.5]
    noisy = Habit(temperature=0.5).probability(lead)
    assert noisy[:3].tolist() == pytest.approx([0.982014, 0.017986, 0.5], abs=1e-6)
    assert Habit(careless=0.1).probability(lead)[:2].tolist() == pytest.approx([0.95, 0.05])


def test_habits_draw_what_they_say():
    said = Habit(temperature=1.0, careless=0.2).draw(torch.ones(20_000).double(), random(0))
    assert float(said.double().mean()) == pytest.approx(0.8 * 0.731059 + 0.1, abs=0.01)


# asking


@cache
def users():
    study = planted(n_users=40, n_shots=20)
    return Newcomers(study, fit_basis(study.responses, study.train, 3, seed=0).reward)


SHORT = Interview(n_questions=4, pool=30, n_particles=100)


@each_policy
def test_questions_are_about_seen_prompts_and_tests_about_unseen_ones(policy):
    study = users().study
    told = ask(users(), policy, SHORT, seed=0)
    prompts = study.responses.prompt[told.asked]
    assert torch.equal(prompts[..., 0], prompts[..., 1])
    assert torch.isin(prompts, study.prompts.train).all()
    tests = study.tests[UNSEEN]
    assert torch.isin(study.responses.prompt[tests.chosen], study.prompts.test).all()


def test_nobody_is_asked_the_same_pair_twice():
    every = Interview(n_questions=6, pool=60, n_particles=20)  # all 360 pairs of the seen prompts
    told = ask(users(), questions.uncertain, every, seed=1)
    pools = asking.pools(users(), every, random(1)).flatten(0, 1).sort(1).values
    assert len(pools.unique(dim=0)) == len(pools) == 360
    for pairs in told.asked.sort(2).values.transpose(0, 1):
        assert len(pairs.unique(dim=0)) == 6


@each_policy
def test_an_interview_repeats_bit_for_bit_and_another_seed_differs(policy):
    one, same, other = (ask(users(), policy, SHORT, seed) for seed in (0, 0, 1))
    assert torch.equal(one.weights, same.weights) and torch.equal(one.asked, same.asked)
    assert not torch.equal(one.weights, other.weights)


def test_users_answer_by_their_taste():
    told = ask(users(), questions.random, SHORT, seed=0)
    signed = told.posterior.answered
    for step, pairs in enumerate(told.asked):
        lead = users().lead(pairs)
        gaps = users().gaps(pairs)
        torch.testing.assert_close(signed[:, step], gaps * lead.sign()[:, None])


def test_the_curve_is_the_accuracy_of_the_posterior_mean():
    told = ask(users(), questions.information, SHORT, seed=0)
    study, reward = users().study, users().reward
    pairs = study.tests[UNSEEN]
    weights = told.posterior.mean
    margins = reward.margins(study.responses, pairs, weights)
    torch.testing.assert_close(told.accuracy[-1], pairs.share_won(margins), rtol=0, atol=0.02)
    assert told.accuracy.shape == (5, 20) and told.texts == [0, 2, 4, 6, 8]


def test_best_and_worst_is_fit_weights_on_so_many_shots():
    told = best_and_worst(users(), Interview(n_questions=20), seed=0)
    expected = fit_weights(users().reward, users().study.responses, users().study.shots)
    torch.testing.assert_close(told.weights[-1], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(told.accuracy[-1], users().accuracy(users().known_weights))
    assert told.texts[:3] == [0, 4, 8]  # four candidates of a prompt are read


def test_careless_users_turn_best_and_worst_round():
    right, careless = (
        best_and_worst(users(), Interview(n_questions=10, habit=Habit(careless=share)), seed=0)
        for share in (0.0, 1.0)
    )
    assert torch.equal(right.asked, careless.asked)
    assert careless.accuracy[-1].mean() < right.accuracy[-1].mean() - 0.05


def test_no_question_is_a_question_too_few_to_learn():
    told = ask(users(), questions.random, Interview(n_questions=0), seed=0)
    assert told.accuracy.shape == (1, 20) and told.asked.shape == (0, 20, 2)


def test_questions_needed_counts_to_the_first_that_is_there():
    assert asking.questions_needed([0.7, 0.8, 0.79, 0.9], 0.8) == 1
    assert asking.questions_needed([0.7, 0.8], 0.85) is None


def test_responses_with_the_same_words_are_never_compared():
    study = users().study
    twins = study.responses.embeddings.clone()
    first, second = study.responses.candidates_of(study.prompts.train[:1])[0, :2].tolist()
    twins[second] = twins[first]
    same = replace(study, responses=replace(study.responses, embeddings=twins))
    before, after = ({tuple(pair) for pair in one.pairs.tolist()} for one in (
        users(), Newcomers(same, users().reward)
    ))  # fmt: skip
    assert before - after == {(first, second)}


def test_real_people_cannot_be_asked_anything():
    study = users().study
    people = Study.of(study.responses, study.train, seed=0)
    with pytest.raises(ValueError, match="no tastes"):
        Newcomers(people, users().reward)


def test_too_few_pairs_for_so_many_questions_is_said():
    with pytest.raises(ValueError, match="need 400 pairs, but the seen prompts have 360"):
        ask(users(), questions.random, Interview(n_questions=4, pool=100), seed=0)


def test_moved_particles_stay_on_the_simplex():
    known = asked(prior(SEEN, 5, 80, random(0)), SEEN[:5], 30, random(1), scale=20.0)
    torch.testing.assert_close(known.particles.sum(-1), torch.ones(5, 80, dtype=torch.float64))
    assert (known.particles >= 0).all() and isinstance(known.parts, Particles)


def test_the_best_temperature_is_that_of_the_answers():
    margins = normal(20_000) * 3
    chosen = torch.where(draws.uniform(random(1), 20_000) < (margins / 2.5).sigmoid(), 1.0, -1.0)
    assert best_temperature(margins * chosen) == pytest.approx(2.5, rel=0.05)
    assert best_temperature(margins.abs()) == pytest.approx(1e-4)  # all right: as sure as can be


def test_noisier_users_have_a_higher_temperature():
    taus = [users().temperature(Habit(temperature=t), seed=0) for t in (0.1, 1.0)]
    assert taus[0] < taus[1] / 2


# the table


def reached(shift):
    """Two policies after 0 and 1 questions, four users."""
    flat = torch.full((2, 4), 0.5, dtype=torch.float64)
    return {("no noise", "random"): flat, ("no noise", question_rows.FORMAT): flat + shift}


def test_the_table_has_means_leads_and_texts(tmp_path):
    for seed, shift in enumerate((0.1, 0.3)):
        question_rows.save(reached(shift), tmp_path / f"{seed}.safetensors")
    seeds = [question_rows.load(tmp_path / f"{seed}.safetensors") for seed in (0, 1)]
    question_rows.write(question_rows.table(seeds), tmp_path / "questions.csv")
    table = question_rows.read(tmp_path / "questions.csv")
    assert table["mean"].tolist() == pytest.approx([0.5, 0.5, 0.7, 0.7])
    assert table.ahead_mean.tolist() == pytest.approx([0.0, 0.0, 0.2, 0.2])
    assert table.texts.tolist() == [0, 2, 0, 8] and set(table.seeds) == {2}
    curves = question_rows.curves(table, "no noise")
    assert curves[question_rows.FORMAT][1].mean == pytest.approx(0.7)
    (tmp_path / "questions.csv").write_text("answers,policy\nno noise,random\n")
    with pytest.raises(ValueError, match="is not whole"):
        question_rows.read(tmp_path / "questions.csv")


def test_every_way_to_answer_is_asked_by_the_same_policies():
    small = Interview(n_questions=1, pool=10, n_particles=20)
    ways = question_rows.interviews(users(), small, seed=0)
    assert tuple(ways) == question_rows.WAYS
    noisy = ways["noise"].temperature
    assert ways["noise, tau twice"].temperature == pytest.approx(2 * noisy)
    assert ways["noise, tau half"].temperature == pytest.approx(noisy / 2)
    assert ways["no noise"] == small
