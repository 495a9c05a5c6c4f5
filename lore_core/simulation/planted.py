"""Planted worlds: responses whose true basis is known."""

import torch
from torch import Tensor

from lore_core.responses import Responses
from lore_core.tools import checks, draws


def planted_responses(
    n_prompts: int, n_candidates: int, d: int, rank: int, generator: torch.Generator
) -> tuple[Responses, Tensor]:
    """Random embeddings whose traits are exactly linear in them: a world where the truth is known.

    Args:
        n_prompts, n_candidates: P and C; M = P · C responses.
        d: features, standard normal.
        rank: number of traits, K; their directions are orthonormal.
        generator: source of the draws.

    Returns:
        The responses (a prompt's own embedding is the mean of its candidates'), and the true basis
        (d, K).

    Raises:
        ValueError: a size is not a whole number of at least 1, or rank is above d.
    """
    checks.whole_numbers(1, n_prompts=n_prompts, n_candidates=n_candidates, d=d, rank=rank)
    if rank > d:
        raise ValueError(f"rank is {rank}, expected at most d = {d}: directions are orthonormal")
    embeddings = draws.normal(generator, n_prompts * n_candidates, d)
    truth = torch.linalg.qr(draws.normal(generator, d, rank)).Q
    prompt = torch.arange(n_prompts).repeat_interleave(n_candidates)
    names = tuple(f"trait {k + 1}" for k in range(rank))
    alone = embeddings.view(n_prompts, n_candidates, d).mean(1)
    responses = Responses(
        embeddings=embeddings,
        prompt=prompt,
        traits=embeddings @ truth,
        trait_names=names,
        prompt_embeddings=alone,
    )
    return responses, truth
