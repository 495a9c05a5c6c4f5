"""Best of n: the candidate with the highest reward, for every user and prompt, found by hand."""

import pytest
import torch
from worlds import normal, pairs, random, toy_pairs, toy_responses

from lore_core import LowRankReward, Responses
from lore_core.decisions.best_of_n import best_of_n
from lore_core.evaluation.utility import perfect, true_utility
from lore_core.methods import LowRank, PerUser
from lore_core.recipes import FEW_SHOT
from lore_core.simulation.planted import planted_responses
from lore_core.simulation.tastes import dirichlet_tastes

ASKED = torch.tensor([9, 2, 11, 0, 5])


def knowing():
    """Responses, a model that knows what all traits are, and tastes that it takes for weights."""
    responses, truth = planted_responses(15, 4, 6, 3, random(0))
    tastes = dirichlet_tastes(7, 3, 1.0, random(1))
    return responses, LowRank(LowRankReward(truth, torch.zeros(1, 3).double()), FEW_SHOT, 0), tastes


def shuffled_rows(responses, seed=0):
    """The same responses, stored in another order."""
    order = torch.randperm(len(responses), generator=random(seed))
    return Responses(responses.embeddings[order], responses.prompt[order], responses.traits[order])


def by_brute_force(responses, prompts, value):
    """For each user and prompt the row of the candidate that `value` (user, row) is highest for."""
    best = []
    for user in range(7):
        for prompt in prompts.tolist():
            rows = [r for r in range(len(responses)) if responses.prompt[r] == prompt]
            best.append(max(rows, key=lambda row: value(user, row)))
    return torch.tensor(best).view(7, -1)


def test_everybody_gets_the_candidate_that_their_reward_ranks_first():
    responses = shuffled_rows(toy_responses())
    model = PerUser(0.1).fit(responses, toy_pairs(n_users=7, n_pairs=70), device="cpu")
    rewards = model.personal @ responses.embeddings.T
    expected = by_brute_force(responses, ASKED, lambda user, row: float(rewards[user, row]))
    assert torch.equal(best_of_n(model, responses, ASKED, model.personal), expected)


def test_a_perfect_observer_gives_the_candidate_that_a_user_likes_most():
    responses, _, tastes = knowing()
    utility = tastes @ responses.traits.T
    expected = by_brute_force(responses, ASKED, lambda user, row: float(utility[user, row]))
    assert torch.equal(perfect(responses, ASKED, tastes), expected)


def test_a_model_that_knows_gives_what_a_perfect_observer_gives():
    responses, model, tastes = knowing()
    assert torch.equal(
        best_of_n(model, responses, ASKED, tastes), perfect(responses, ASKED, tastes)
    )


@pytest.mark.parametrize("seed", range(3))
def test_nobody_can_be_given_better_than_by_a_perfect_observer(seed):
    responses, _, tastes = knowing()
    model = LowRank(LowRankReward(normal(6, 2, seed=seed), normal(7, 2, seed=seed)), FEW_SHOT, 0)
    given = best_of_n(model, responses, ASKED, model.personal)
    most = true_utility(responses, tastes, perfect(responses, ASKED, tastes))
    assert (true_utility(responses, tastes, given) <= most).all()


def test_what_is_given_answers_the_prompt():
    responses, model, tastes = knowing()
    given = responses.prompt[best_of_n(model, responses, ASKED, tastes)]
    assert torch.equal(given, ASKED.expand(7, -1))


def test_true_utility_worked_by_hand():
    traits = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])
    responses = Responses(torch.eye(3), [0, 0, 1], traits)
    tastes = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    rows = torch.tensor([[0, 2], [1, 2]])
    assert true_utility(responses, tastes, rows).tolist() == [(1 + 3) / 2, (1 + 3.5) / 2]


def test_prompts_have_to_exist():
    responses, model, tastes = knowing()
    for steer in (lambda p: best_of_n(model, responses, p, tastes),
                  lambda p: perfect(responses, p, tastes)):  # fmt: skip
        with pytest.raises(ValueError, match="prompt 15 is not among"):
            steer(torch.tensor([15]))


def test_one_reward_for_everybody_gives_everybody_the_same():
    responses = toy_responses()
    model = LowRank(LowRankReward.fixed(normal(6), 7), FEW_SHOT, 0)
    given = best_of_n(model, responses, ASKED, model.adapt(responses, pairs(n_users=7)))
    assert (given == given[0]).all()
