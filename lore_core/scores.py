"""Score once: the table S = embeddings @ V holds all that a low-rank reward knows of the responses.

    S          (M, K)    every response scored by every basis reward
    g_b        (B, K)    S[chosen_b] - S[rejected_b]
    m_b        (B,)      g_b · w_u

Shapes: M responses, d features, K basis rewards, N users, B pairs.
"""

import torch
from torch import Tensor

from lore_core.preferences import Preferences
from lore_core.responses import Responses, centred, mean_row


def compared(responses: Responses, preferences: Preferences) -> tuple[Tensor, Preferences]:
    """The rows that some pair uses, centred, and the pairs of those rows.

    What all of them share cancels in every difference; a row that nobody compares cannot disturb.

    Args:
        responses: what is ranked.
        preferences: B pairs of rows of `responses`.

    Returns:
        (m, d) rows on the device of `responses`, and B pairs of row numbers below m.
    """
    rows, pairs = used(responses, preferences)
    if rows is responses.embeddings:
        return centred(rows), pairs
    return rows.sub_(mean_row(rows)), pairs


def used(responses: Responses, preferences: Preferences) -> tuple[Tensor, Preferences]:
    """`compared`, but not centred: the embeddings themselves if all are used, a copy otherwise."""
    embeddings = responses.embeddings
    pairs = preferences.to(embeddings.device)
    mask = torch.zeros(len(embeddings), dtype=torch.bool, device=embeddings.device)
    mask[pairs.chosen] = True
    mask[pairs.rejected] = True
    if mask.all():
        return embeddings, pairs
    place = mask.cumsum(0) - 1
    chosen, rejected = place[pairs.chosen], place[pairs.rejected]
    return embeddings[mask], Preferences(
        user=pairs.user, chosen=chosen, rejected=rejected, n_users=pairs.n_users
    )


def basis_scores(embeddings: Tensor, basis: Tensor) -> Tensor:
    """embeddings @ basis, (M, K)."""
    # With few columns a CPU is several times faster, forwards and backwards, on the transposes.
    return (basis.T.contiguous() @ embeddings.T).T.contiguous()


def score_gaps(scores: Tensor, preferences: Preferences) -> Tensor:
    """Basis scores of chosen minus those of rejected, (B, K)."""
    return scores.index_select(0, preferences.chosen) - scores.index_select(0, preferences.rejected)


def pair_margins(gaps: Tensor, weights: Tensor, user: Tensor) -> Tensor:
    """Each pair's gaps (B, K) mixed by its own user's row of weights (N, K): margins, (B,)."""
    return (gaps * weights.index_select(0, user)).sum(-1)


def logits_of(weights: Tensor) -> Tensor:
    """Logits whose softmax is the weights, (N, K); a weight of 0 has a finite logit too."""
    return weights.clamp_min(torch.finfo(weights.dtype).tiny).log()
