"""An audit: what is odd about a data set, before anybody learns from it.

Every check is a row of a table. Its flag says how to read it:

    ok            as in clean data
    note          look at it; it may be real, such as a taste for long answers
    leak          choices can be told without knowing the person: no accuracy means anything
    error         something is not what its name says
    not checked   what the check needs was not given

Shapes: M responses, N users, B pairs, d features.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from lore_core.datasets import counts
from lore_core.datasets.world import World
from lore_core.evaluation import leaks
from lore_core.evaluation.audit_texts import about_texts
from lore_core.evaluation.bootstrap import bootstrap
from lore_core.evaluation.case import Case
from lore_core.evaluation.finding import Finding, not_checked, share
from lore_core.evaluation.probe import held_out_wins, per_user
from lore_core.evaluation.study import Study
from lore_core.preferences import Preferences
from lore_core.responses import Responses
from lore_core.tools import checks

AGREED = 0.95  # more than people agree on
STORED = 0.01  # of the spread of rewards: what storing embeddings in 16 bits may cost


def audit(
    responses: Responses | World,
    preferences: Preferences | None = None,
    *,
    parts: Study | Mapping[str, Preferences] | None = None,
    texts: Sequence[str] | None = None,
    head: Tensor | None = None,
    logits: Tensor | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Look for leaks and oddities in a data set.

    Args:
        responses: what is ranked; or a World, which brings its preferences.
        preferences: B pairs of N users.
        parts: how learning and testing are kept apart: a Study, or named parts of the same users'
            pairs, of which the first are learned from.
        texts: M strings; default the responses' names.
        head: (d,) the reward head of the model that made the embeddings.
        logits: (M,) that model's own reward of each response.
        seed: of random parts and shuffles.

    Returns:
        One row for each check, with the columns of `Finding`.

    Raises:
        ValueError: an argument is of another kind, or does not fit the others.
    """
    case = Case.of(responses, preferences, texts, seed)
    findings = [
        *about_pairs(case),
        *about_parts(case, parts),
        *about_texts(case),
        about_head(case.responses, head, logits),
    ]
    return pd.DataFrame(findings)


def about_pairs(case: Case) -> list[Finding]:
    """What can be said of the pairs without their texts."""
    pairs, content = case.pairs, case.content
    again = counts.repeated(pairs, content), "pairs were given before by the same user"
    both = counts.contradicted(pairs, content), "pairs were also ranked the other way round"
    equal = counts.ties(pairs, content), "pairs compare equal responses"
    silent = pairs.counts == 0, "users have no pair"
    noise = "people err: nobody can be right about all of their pairs"
    return [
        one_reward(case),
        share("repeated pairs", *again, "keep one of each"),
        share("contradictions", *both, noise),
        share("ties", *equal, "drop them: nothing can be learned from them"),
        share("users without pairs", *silent, "they get the crowd's average"),
    ]


def one_reward(case: Case) -> Finding:
    """How well one direction of the embeddings ranks pairs of people it has not seen."""
    pairs, embeddings = case.sample, case.responses.centred().embeddings.double()
    if len(pairs) == 0:
        return not_checked("one reward for all", "all pairs are ties")
    wins = held_out_wins(embeddings, pairs, case.responses.prompt, case.draw)
    found = bootstrap(per_user(wins, pairs), case.draw)
    too_easy = found.low > AGREED
    return Finding(
        check="one reward for all",
        found=found.mean,
        expected=AGREED,
        low=found.low,
        high=found.high,
        flag="note" if too_easy else "ok",
        reads=f"one direction ranks {found.mean:.0%} of new people's pairs on new prompts",
        do="do people agree so well? read some pairs as the encoder was given them" * too_easy,
    )


def about_parts(case: Case, parts: Study | Mapping[str, Preferences] | None) -> list[Finding]:
    """What the tests share with what was learned from."""
    names = "same question in a test", "known prompts in a test", "copies in a test"
    if parts is None:
        return [not_checked(name, "no parts") for name in (*names, "users without tests")]
    exams = leaks.exams(parts)
    for exam in exams:
        exam.learned.check(case.responses)
        exam.tested.check(case.responses)
    learned = leaks.learned_rows(exams)
    odd = (
        torch.cat([leaks.same_question(exam, case.responses) for exam in exams]),
        torch.cat([leaks.known_prompt(exam, learned, case.responses) for exam in exams]),
        torch.cat([leaks.twins(exam, learned, case.responses, case.content) for exam in exams]),
    )
    says = (
        "test pairs are on a prompt that their user was trained on",
        "test pairs are on a prompt that was meant to be new",
        "test pairs on new prompts compare copies of responses that were learned from",
    )
    do = "split by prompt, so that all pairs of one prompt are in one part"
    untested = leaks.untested(exams), "users were trained on and are not tested"
    return [
        *(share(*row, do, leak=True) for row in zip(names, odd, says, strict=True)),
        share("users without tests", *untested, "say of how many people the accuracy speaks"),
    ]


def about_head(responses: Responses, head: Tensor | None, logits: Tensor | None) -> Finding:
    """Whether embedding · head is the model's own reward, but for a constant."""
    if head is None or logits is None:
        return not_checked("reward head", "no head and logits")
    head, logits = (
        checks.tensor(*given).double() for given in (("head", head), ("logits", logits))
    )
    d = responses.embeddings.shape[1]
    if head.shape != (d,) or logits.shape != (len(responses),):
        raise ValueError(
            f"head has shape {tuple(head.shape)} and logits {tuple(logits.shape)}, expected "
            f"{(d,)} and {(len(responses),)}: one number per feature, one per response"
        )
    off = responses.embeddings.double() @ head - logits
    found = float(off.std() / logits.std())
    wrong = not found <= STORED  # nor NaN
    return Finding(
        check="reward head",
        found=found,
        expected=STORED,
        flag="error" if wrong else "ok",
        reads=f"embedding · head misses the model's reward by {found:.3g} of its spread",
        do="load the classification model and take score.weight" * wrong,
    )
