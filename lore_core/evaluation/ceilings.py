"""Ceilings: how far anybody could come who knows the users' true tastes."""

import torch

from lore_core.decisions.best_of_n import perfect, true_utility
from lore_core.evaluation.benchmark import NOTHING_TRAINED, SEEN, UNSEEN, Result, Rules, look_closer
from lore_core.evaluation.study import Study
from lore_core.methods.lore import LowRank
from lore_core.recipes import FEW_SHOT
from lore_core.reference import reference_direction
from lore_core.reward import LowRankReward


def known_tastes(study: Study, rules: Rules) -> Result:
    """The ceiling: users whose true tastes are known, read through the embedding.

    One direction per trait is fitted to the traits of the seen prompts; nobody's pairs are used.
    """
    responses, seen = study.responses, torch.isin(study.responses.prompt, study.prompts.train)
    columns = [
        reference_direction(responses.embeddings[seen], trait) for trait in responses.traits[seen].T
    ]
    tastes, new = study.tastes[study.users.train], study.tastes[study.users.test]
    basis = LowRankReward(torch.stack(columns, 1), torch.zeros_like(tastes))
    model = LowRank(basis, FEW_SHOT, 0)
    unseen = model.accuracy(responses, study.tests[UNSEEN], new)
    curve = unseen.expand(len(rules.counts), rules.repeats, -1)
    seen_users = model.accuracy(responses, study.tests[SEEN], tastes)
    return Result(seen_users, curve, *look_closer(model, study, new), NOTHING_TRAINED)


def perfect_observer(study: Study, rules: Rules) -> Result:
    """Who knows every taste and sees the traits themselves: never wrong, gives everybody the best.

    (Users without noise only; for noisy ones accuracy would be below one.)
    """
    new = study.tastes[study.users.test]
    rows = perfect(study.responses, study.prompts.test, new)
    seen, curve = torch.ones(study.train.n_users), torch.ones(len(rules.counts), rules.repeats, 1)
    control, utility = torch.full((len(new),), torch.nan), true_utility(study.responses, new, rows)
    return Result(seen, curve.expand(-1, -1, len(new)), control, utility, NOTHING_TRAINED)
