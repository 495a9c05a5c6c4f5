"""Bradley–Terry's likelihood of many users' pairs, with its gradient written out.

    S        = E V                                       every response's scores, (M, K)
    g_b      = S[chosen_b] - S[rejected_b]
    L        = Σ_b c_u log(1 + exp(-g_b · w_u))          LoRe Eq. 10

    a_b      = -σ(-g_b · w_u)                            slope of a pair's loss
    ∂L/∂w_u  = c_u Σ_b a_b g_b                           over the pairs of u
    ∂L/∂S_x  = Σ_b a_b c_u w_u - Σ_b a_b c_u w_u         over those that x won, and that x lost
    ∂L/∂V    = Eᵀ ∂L/∂S

Shapes: M responses, d features, K basis rewards, N users, B pairs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from lore_core.sorted_pairs import Block, SortedPairs


def pair_loss(margins: Tensor) -> Tensor:
    """-log σ(m) for each pair, as softplus(-m): finite and with a gradient at any margin."""
    return F.softplus(-margins)


def pair_nll(
    embeddings: Tensor, basis: Tensor, weights: Tensor, share: Tensor, pairs: SortedPairs
) -> Tensor:
    """L, with a gradient with respect to basis and weights.

    Args:
        embeddings: E, (M, d).
        basis: V, (d, K).
        weights: w, (N, K), of any sign and size.
        share: c, (N,), how much each pair of a user counts.
        pairs: B pairs of rows of `embeddings`.
    """
    if torch.is_grad_enabled() and (basis.requires_grad or weights.requires_grad):
        return PairNLL.apply(embeddings, basis, weights, share, pairs)
    scores = embeddings @ basis
    return sum((forward(b, scores, weights, share)[0] for b in pairs.blocks), scores.new_zeros(()))


class PairNLL(torch.autograd.Function):
    """L; the gradient is found on the way, block by block, and kept in place of (B, K) tables."""

    @staticmethod
    def forward(
        ctx: Any,
        embeddings: Tensor,
        basis: Tensor,
        weights: Tensor,
        share: Tensor,
        pairs: SortedPairs,
    ) -> Tensor:
        scores = embeddings @ basis
        by_scores, by_weights = torch.zeros_like(scores), torch.zeros_like(weights)
        loss = scores.new_zeros(())
        for block in pairs.blocks:
            part, gaps, slopes = forward(block, scores, weights, share)
            c = share[block.users, None]
            by_weights[block.users] = c * block.sums_by_user(slopes, gaps)
            by_scores += block.sums_by_row(slopes, c * weights[block.users])
            loss += part
        # A CPU multiplies by a few rows twice as fast as by a few columns.
        ctx.save_for_backward((by_scores.T.contiguous() @ embeddings).T, by_weights)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor | None, ...]:
        by_basis, by_weights = ctx.saved_tensors
        return None, gradient[0] * by_basis, gradient[0] * by_weights, None, None


def forward(
    block: Block, scores: Tensor, weights: Tensor, share: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of a block's pairs, their gaps (b, K), and their slopes (b,)."""
    gaps = scores.index_select(0, block.chosen).sub_(scores.index_select(0, block.rejected))
    mixed = weights[block.users].index_select(0, block.user).mul_(gaps)
    margins = mixed @ mixed.new_ones(mixed.shape[1])  # quicker than a sum over few columns
    losses = pair_loss(margins) * share[block.users].index_select(0, block.user)
    return losses.sum(), gaps, margins.neg_().sigmoid_().neg_()
