"""Answers in a user's style without tuning: what somebody liked before stands in the prompt.

Each test item is the last turn of a chat. Before it stand items of a history, as earlier turns with
the answers that were wanted. The control has another user's history, since the form of such a
prompt may help by itself.

Shapes: n items of the task, h of them in a history, d features of a vector.
"""

from __future__ import annotations

import pandas as pd
from torch import Tensor
from torch.nn.functional import normalize

from lore_core.evaluation.style_rows import TOKENS, frame, spoken
from lore_core.evaluation.style_study import Study
from lore_core.language_model import causal, greedy
from lore_core.language_model.messages import Message, Prompt
from lore_core.tools import checks

TURNS = 3  # items of a history in a prompt
# Name in the table -> how many users further its owner is.
METHODS = {"history in the prompt": 0, "another user's history in the prompt": 1}


def items(study: Study, vectors: Tensor, method: str) -> pd.DataFrame:
    """A row for each test item, of all measures; the model stays as it is.

    Of a history the three items are taken whose instructions are nearest to the one in question,
    by the cosine of their vectors. Instructions and answers are those that the tuned models learn
    from, so most answers break off.

    Args:
        study: whose model answers.
        vectors: (n, d) of the items' instructions.
        method: one of METHODS.

    Returns:
        As `style_rows.items`.

    Raises:
        ValueError: there is no such method, or not one vector for each item.

    Source: LaMP (arXiv 2304.11406), whose prompts hold a few retrieved items of the profile.
    """
    checks.one_of("method", method, tuple(METHODS))
    vectors = normalize(checks.float_matrix("vectors", vectors))
    checks.same_length("vectors", vectors, "items of the task", study.task)
    chats = [
        chat(study, nearest(vectors, history(study, row, METHODS[method]), row), row)
        for row in study.task.test.tolist()
    ]
    return answered(study, chats).assign(method=method)


def answered(study: Study, chats: list[Prompt]) -> pd.DataFrame:
    """All measures of the test items, each under a prompt of its own."""
    model, tokenizer, test = study.model, study.tokenizer, study.task.test.tolist()
    wanted, ended = ([texts[row] for row in test] for texts in (study.wanted, study.ended))
    bits = causal.bits_per_byte(model, tokenizer, chats, wanted, ended)
    asked = [chats[place] for place in spoken(study.task).nonzero().flatten().tolist()]
    return frame(study, bits, greedy.answers(model, tokenizer, asked, TOKENS))


def history(study: Study, row: int, further: int) -> Tensor:
    """The items (h,) in the history of an item's user, or of one who comes so much later."""
    task = study.task
    owner = (task.user[row] + further) % task.n_users
    return task.history[task.user[task.history] == owner]


def nearest(vectors: Tensor, rows: Tensor, row: int, n: int = TURNS) -> list[int]:
    """The n rows whose vectors (of length one) are most like a row's, the nearest last."""
    alike = (vectors[rows] @ vectors[row]).sort(descending=True, stable=True).indices[:n]
    return rows[alike.flip(0)].tolist()


def chat(study: Study, earlier: list[int], row: int) -> Prompt:
    """The instruction of an item behind some items that were answered as wanted."""
    said = [
        (Message("user", study.asked[place]), Message("assistant", study.wanted[place]))
        for place in earlier
    ]
    return (*(message for turn in said for message in turn), Message("user", study.asked[row]))
