"""A policy for a weight, trained: LoRA by reward-weighted log-likelihood.

    loss = −mean_x Σ_y π_w(y|x) log p_θ(y|x)

The targets are the candidates of each prompt, with the probabilities that the closed form gives
them. At its least, a model that gives the candidates all its probability gives each its π_w. Only
the response's tokens count; log p_θ is their sum, so no candidate is favoured for being short.

Shapes: p prompts, C candidates each, n policies, K rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from lore_core.language_model.causal import log_likelihoods, said, window
from lore_core.language_model.chat import Prompt, Turn
from lore_core.language_model.states import within
from lore_core.palm import adapters
from lore_core.palm.lora import Lora, fit, with_adapter
from lore_core.tools import checks, draws, extra, folders


def train_policy(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    candidates: Sequence[Sequence[str]],
    probabilities: Tensor,
    folder: Path | str,
    *,
    seed: int,
    lora: Lora | None = None,
    ended: Sequence[Sequence[bool]] | None = None,
    progress: bool = True,
) -> list[float]:
    """Train an adapter, and write it whole or not at all. The model is left as it was.

    Args:
        model: a decoder with its head.
        tokenizer: the model's, with a chat template.
        prompts: p questions, or chats so far.
        candidates: p lists of C responses.
        probabilities: (p, C) π_w, rows sum to 1.
        folder: where the adapter goes; it must not exist.
        seed: of the first weights and of the order of the prompts.
        lora: how to train; default `Lora()`.
        ended: p lists of C; False where a candidate was cut short, so that nobody learns to stop
            there. Default all have ended.
        progress: show a bar.

    Returns:
        The mean loss of each epoch.

    Raises:
        ValueError: shapes do not fit, a row does not sum to 1, or there is no chat template.
        FileExistsError: the folder is there.
        ImportError: peft is missing.
    """
    lora = lora or Lora()
    extra.needed("peft", "training an adapter")
    targets = check_probabilities(probabilities, candidates, prompts)
    chats = read_chats(model, tokenizer, prompts, candidates, ended)
    with folders.whole(folder) as unfinished:
        source = draws.generator(seed)
        adapted = with_adapter(model, lora, source)
        try:
            losses = fit(adapted, chats, targets, lora, source, progress)
            # Without a look at the Hub for the size of the vocabulary, which nobody changed.
            adapted.save_pretrained(unfinished, save_embedding_layers=False)
        finally:
            taken_off(adapted)
    return losses


def taken_off(adapted: Any) -> None:
    """Leave the model without the adapter, as it was."""
    model = adapted.unload()
    model.requires_grad_(False)
    if hasattr(model, "peft_config"):  # else the next adapter is taken for a second one
        del model.peft_config


def train_portfolio(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    candidates: Sequence[Sequence[str]],
    weights: Tensor,
    probabilities: Tensor,
    folder: Path | str,
    *,
    beta: float,
    shift: Tensor,
    scale: Tensor,
    seed: int,
    **how: Any,
) -> Path:
    """An adapter for each policy of a portfolio, and `portfolio.json`; all of it, or nothing.

    Args:
        model, tokenizer, prompts, candidates: as in `train_policy`.
        weights: (n, K), the weight of each policy.
        probabilities: (n, p, C), π_w of each.
        folder: see `adapters`; it must not exist.
        beta, shift, scale: of the rewards that made the probabilities, see `adapters.described`.
        seed: of policy 0; policy j has seed + j.
        how: `lora`, `ended` and `progress`, as in `train_policy`.

    Returns:
        The folder.
    """
    about = adapters.described(weights, beta, shift, scale)
    checks.same_length("probabilities", probabilities, "weights", weights)
    with folders.whole(folder) as unfinished:
        for j, each in enumerate(probabilities):
            place = unfinished / adapters.adapter_name(j)
            train_policy(model, tokenizer, prompts, candidates, each, place, seed=seed + j, **how)
        adapters.write(unfinished, about)
    return Path(folder)


def own_probabilities(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    candidates: Sequence[Sequence[str]],
    ended: Sequence[Sequence[bool]] | None = None,
) -> Tensor:
    """A model's probabilities of the candidates, among the candidates of a prompt: (p, C).

    softmax over C of log p(y|x). What the model gives to all other texts is left out; the sum of
    exp(log p) says how much that is.
    """
    chats = read_chats(model, tokenizer, prompts, candidates, ended)
    flat = log_likelihoods(model, [turn for each in chats for turn in each])
    return flat.view(len(prompts), -1).softmax(1)


def read_chats(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    candidates: Sequence[Sequence[str]],
    ended: Sequence[Sequence[bool]] | None,
) -> list[list[Turn]]:
    """Each prompt with each of its candidates as tokens, cut to the model's window."""
    if ended is None:
        ended = [[True] * len(each) for each in candidates]
    found = []
    for prompt, each, ends in zip(prompts, candidates, ended, strict=True):
        chats = said(tokenizer, [prompt] * len(each), each, ends)
        found.append([within(turn, window(model)) for turn in chats])
    return found


def check_probabilities(
    probabilities: Tensor, candidates: Sequence[Sequence[str]], prompts: Sequence[Prompt]
) -> Tensor:
    """(p, C) float64 on the CPU, or a ValueError unless each row has a share for each candidate."""
    checks.same_length("candidates", candidates, "prompts", prompts)
    if len(prompts) == 0:
        raise ValueError("prompts is empty; give at least one")
    sizes = sorted({len(each) for each in candidates})
    shares = checks.float_matrix("probabilities", probabilities).double().cpu()
    if sizes != [shares.shape[1]] or len(shares) != len(prompts):
        raise ValueError(
            f"probabilities have shape {tuple(shares.shape)} for {len(prompts)} prompts with "
            f"{sizes} candidates each; expected (p, C), and the same number of candidates"
        )
    off = ((shares < 0).any(1) | ((shares.sum(1) - 1).abs() > 1e-4)).nonzero().flatten()
    if len(off):
        raise ValueError(
            f"the probabilities of prompt {int(off[0])} sum to {float(shares[off[0]].sum()):.4g}, "
            "expected shares of at least 0 that sum to 1"
        )
    return shares
