"""Answers in a user's style without tuning: what somebody liked before stands in the prompt.

Each test item is the last turn of a chat. Before it stand items of a history, as earlier turns with
the answers that were wanted. The control has another user's history, since the form of such a
prompt may help by itself.

Shapes: n items of the task, h of them in a history, d features of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from lore_core.evaluation.style_rows import TOKENS, frame, spoken
from lore_core.evaluation.style_study import Study
from lore_core.language_model import causal, greedy
from lore_core.language_model.batches import batches
from lore_core.language_model.chat import Turn
from lore_core.language_model.messages import Message, Prompt
from lore_core.tasks.texts_above import answer_losses
from lore_core.tools import checks

TURNS = 3  # items of a history in a prompt
BUDGET = 2048  # tokens that are read at once
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
    test = study.task.test
    wanted, ended = ([texts[row] for row in test.tolist()] for texts in (study.wanted, study.ended))
    turns = causal.said(study.tokenizer, chats, wanted, ended)
    asked = [chats[place] for place in spoken(study.task).nonzero().flatten().tolist()]
    texts = greedy.answers(study.model, study.tokenizer, asked, TOKENS)
    return frame(study, study.per_byte(losses(study.model, turns), test), texts)


@torch.no_grad()
def losses(model: Any, chats: Sequence[Turn]) -> Tensor:
    """−log p of every chat's answer, (k,): `causal.log_likelihoods`, one and a half times as fast.

    Most of what is read here is no answer, and does not meet the head.
    """
    found = torch.zeros(len(chats))
    for rows in batches([chat.stop for chat in chats], BUDGET):
        some = [chats[row] for row in rows]
        ids = pad_sequence([torch.tensor(chat.ids) for chat in some], batch_first=True)
        read = model.base_model(input_ids=ids.to(model.device), use_cache=False)
        found[rows] = answer_losses(model.lm_head, read.last_hidden_state, some)
    return found


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
