"""Answers in a user's style by X-LoRA: PROPER's experts, and who gets them is read off the text.

It does not know the user. So it says what the experts are worth to a router that sees the input
alone, here a published one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lore_core.evaluation.style_rows import RECIPE, SEED, TOKENS, frame, spoken, stages
from lore_core.evaluation.style_study import Study
from lore_core.language_model import greedy, whole
from lore_core.language_model.xlora import Above, Speaking, with_xlora
from lore_core.proper import lora_folders
from lore_core.proper.recipe import Recipe, Stage
from lore_core.tasks.descent import descend
from lore_core.tasks.texts_above import TextsAbove
from lore_core.tools import draws

METHOD = "X-LoRA over the same experts"
ROWS = 16  # answers at a time; all is read again at each step, so padding is dear
# Rate and batch of the authors' example (github.com/EricLBuehler/xlora, examples/train.ipynb, which
# has five passes); as many passes as the experts had.
CLASSIFIER = Stage(learning_rate=1e-4, passes=RECIPE.rounds, batch=1)


def experts(
    study: Study,
    weights: dict[str, Tensor],
    folder: Path | str,
    seed: int = SEED,
    recipe: Recipe = RECIPE,
) -> None:
    """Train PROPER's experts as PROPER does, to the last bit, and write them for peft.

    Args:
        study: whose model learns; it is changed.
        weights: after stage 1.
        folder: gets a folder for each expert; it must not exist.
        seed: of all draws.
        recipe: PROPER's.
    """
    *_, (_, tuned) = stages(study, recipe.up_to("group"), weights, seed)
    lora_folders.write_experts(tuned.injected, folder)


@dataclass(frozen=True, eq=False)
class Mixed:
    """A study's model with X-LoRA in its upper blocks.

    Args:
        study: whose model it is.
        speaking: the model.
        curve: mean loss of each pass of the classifier's training.
    """

    study: Study
    speaking: Any
    curve: list[float]

    def losses(self, items: TextsAbove) -> Tensor:
        """−log p of every answer, (n,)."""
        with torch.no_grad():
            rows = torch.arange(len(items)).split(items.together)
            return torch.cat([items.losses(self.speaking.above, some) for some in rows])

    def answers(self, asked: Sequence[str], n_tokens: int) -> list[str]:
        """The greedy answer to each instruction."""
        return greedy.answers(self.speaking, self.study.tokenizer, asked, n_tokens, ROWS)


def fit(
    study: Study,
    weights: dict[str, Tensor],
    folders: Sequence[Path | str],
    stage: Stage = CLASSIFIER,
    seed: int = SEED,
) -> Mixed:
    """Train the classifier on everybody's history.

    Args:
        study: whose model learns; it is changed.
        weights: after stage 1, on which the experts stand.
        folders: of the experts, see `experts`.
        stage: how.
        seed: of all draws.
    """
    source = draws.generator(seed)
    below = whole.part(study.model, 0, study.block).eval()
    adapted = with_xlora(study.upper(weights), folders, source)
    above, history = Above(adapted), study.history
    classifier = [weight for weight in adapted.parameters() if weight.requires_grad]

    def losses(rows: Tensor) -> Tensor:
        return history.losses(above, rows)

    together = history.together
    curve = descend(classifier, losses, history.user, stage, source, METHOD, together=together)
    return Mixed(study, Speaking(study.model, below, above), curve)


def items(mixed: Mixed) -> pd.DataFrame:
    """A row for each test item, of all measures, as `style_rows.items` gives them."""
    study = mixed.study
    test = study.task.test
    bits = study.per_byte(mixed.losses(study.items.select(test)), test)
    asked = [study.asked[row] for row in test[spoken(study.task)].tolist()]
    return frame(study, bits, mixed.answers(asked, TOKENS)).assign(method=METHOD)
