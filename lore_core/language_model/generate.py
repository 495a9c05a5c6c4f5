"""Any decoder, steered by one user's weights.

    generate(model, tokenizer, prompts, reward, weights, "best_of", generator=draws.generator(0))

Shapes: p prompts, n responses to each, K rewards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lore_core.language_model.messages import Chat, Prompt
from lore_core.language_model.mixed import Mixture, as_it_was, check_adapters
from lore_core.language_model.sampling import LENGTH, ROWS, Sample, samples
from lore_core.language_model.steer import best, drawn, tilted
from lore_core.tools import checks

Reward = Callable[[Sequence[Chat]], Tensor]  # m chats -> (m, K)
WAYS = ("best_of", "tilted", "logits")


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    reward: Reward | None,
    weights: Tensor,
    how: str = "best_of",
    *,
    generator: torch.Generator,
    n: int = 8,
    beta: float = 0.0,
    adapters: Sequence[str] = (),
    n_tokens: int = LENGTH,
    temperature: float = 1.0,
    rows: int = ROWS,
) -> list[str]:
    """One response to each prompt, as one user would have it.

    Args:
        model: a decoder with its head, such as `causal.load` gives.
        tokenizer: the model's, with a chat template.
        prompts: p questions, or chats so far.
        reward: m pairs of a prompt and its response -> (m, K), such as `palm.text_reward`. Not
            needed by "logits".
        weights: (K,) the user's, on the simplex.
        how: "best_of": of n responses the one with the largest w · r. "tilted": one of n, drawn
            with π ∝ exp(w · r / β). "logits": one response, drawn from the mixture
            Σ_k w_k log p_k of K adapters.
        generator: source of the draws.
        n: responses to choose from; "logits" draws one.
        beta: price of KL, of "tilted"; 0 is the best of n, where equals share.
        adapters: K names of adapters that the model holds, of "logits"; see `mixed.add_adapters`.
        n_tokens: tokens of a response, at most.
        temperature: log-probabilities, mixed or not, are divided by it.
        rows: responses that are drawn at a time.

    Returns:
        p texts.

    Raises:
        ValueError: weights are not on the simplex; rewards or adapters are not as many as weights;
            a number is out of range; there is no prompt, or no chat template.
    """
    checks.one_of("how", how, WAYS)
    checks.number("beta", beta)
    weights = check_weights(weights)
    drawing: dict[str, Any] = {"generator": generator, "n_tokens": n_tokens, "rows": rows}
    drawing["temperature"] = temperature
    if how == "logits":
        found = mixed_samples(model, tokenizer, prompts, weights, adapters, n=1, **drawing)
        return [only.text for (only,) in found]
    texts = [
        [sample.text for sample in each]
        for each in samples(model, tokenizer, prompts, n, **drawing)
    ]
    rewards = scored(prompts, texts, reward, len(weights))
    if how == "best_of":
        places = best(rewards, weights)
    else:
        places = drawn(tilted(rewards, weights, beta), generator)
    return [each[place] for each, place in zip(texts, places.tolist(), strict=True)]


def mixed_samples(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    weights: Tensor,
    adapters: Sequence[str],
    n: int,
    **drawing: Any,
) -> list[list[Sample]]:
    """n responses to each prompt from the mixture of K adapters; otherwise like `samples`."""
    weights = check_weights(weights)
    check_adapters(model, adapters, weights)
    with as_it_was(model):
        return samples(
            model,
            tokenizer,
            prompts,
            n,
            speaker=lambda: Mixture(model, adapters, weights),
            **drawing,
        )


def scored(
    prompts: Sequence[Prompt], texts: Sequence[Sequence[str]], reward: Reward | None, n_rewards: int
) -> Tensor:
    """Rewards of the responses to each prompt, (p, n, K).

    Args:
        prompts: p.
        texts: p lists of n responses.
        reward: m chats -> (m, K).
        n_rewards: K.

    Raises:
        ValueError: the reward gives another shape, or numbers that are not finite.
    """
    if reward is None:
        raise ValueError("reward is None; best_of and tilted need one, from chats to (m, K)")
    chats = [(prompt, text) for prompt, each in zip(prompts, texts, strict=True) for text in each]
    found = checks.float_matrix("rewards", reward(chats))
    if found.shape != (len(chats), n_rewards):
        raise ValueError(
            f"the reward gives the shape {tuple(found.shape)} for {len(chats)} chats and "
            f"{n_rewards} weights, expected {(len(chats), n_rewards)}"
        )
    return found.view(len(prompts), -1, n_rewards)


def check_weights(weights: Tensor) -> Tensor:
    """One user's weights, (K,) float64 on the CPU, or a ValueError."""
    given = checks.tensor("weights", weights)
    if given.ndim != 1 or len(given) == 0:
        raise ValueError(
            f"weights have shape {tuple(given.shape)}, expected (K,): those of one user"
        )
    return checks.simplex_rows("weights", given[None])[0].double().cpu()
