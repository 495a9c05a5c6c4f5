"""ROUGE: how many words a written answer has in common with the wanted one."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lore_core.tools import checks, extra

KINDS = ("rouge1", "rougeL")


def rouge(given: Sequence[str], wanted: Sequence[str]) -> dict[str, Tensor]:
    """ROUGE-1 (words in common) and ROUGE-L (longest common subsequence), as F-measures.

    Words are lower-cased runs of letters and digits, not stemmed, as in LaMP's evaluation.

    Args:
        given: n answers.
        wanted: n texts.

    Returns:
        {"rouge1": (n,), "rougeL": (n,)} float64.

    Raises:
        ValueError: one is no text, or their numbers differ.
        ImportError: rouge-score is not installed.

    Source: Lin (2004), by the package rouge-score.
    """
    answers = checks.names("given", given, len(given))
    truth = checks.names("wanted", wanted, len(wanted))
    checks.same_length("given", answers, "wanted", truth)
    scorer = extra.needed("rouge_score.rouge_scorer", "ROUGE").RougeScorer(list(KINDS))
    found = [scorer.score(*pair) for pair in zip(truth, answers, strict=True)]
    columns = ([scores[kind].fmeasure for scores in found] for kind in KINDS)
    return {
        kind: torch.tensor(column, dtype=torch.float64)
        for kind, column in zip(KINDS, columns, strict=True)
    }
