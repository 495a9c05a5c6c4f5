"""The last MLP of a language model with what stands behind it: exact for answers of one token.

In the last block attention comes first and the MLP acts on one token at a time. So all that stands
below the last MLP is one constant per prompt: the residual state of its last token.

Shapes: n prompts, d features of a state, f features inside the MLP, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from lore_core.tools import checks

ACTIVATION = "silu"
PROJECTIONS = ("gate_proj", "up_proj", "down_proj")  # as in every Llama-like model
WEIGHTS = ("norm", *PROJECTIONS, "final_norm")  # all but the head


class Tail(nn.Module):
    """logits = head · final_norm(s + MLP(norm(s))), with MLP(x) = down(silu(gate(x)) * up(x)).

    The linear maps are called as in the whole model, so that a pattern of names finds them in both.

    Args:
        weights: norm (d,), gate_proj (f, d), up_proj (f, d), down_proj (d, f), final_norm (d,).
            They are copied in float32 and do not ask for a gradient.
        head: (L, d), the rows of the model's head that belong to the labels.
        eps: of both norms.
    """

    unmoved = ("gate_proj", "up_proj")  # what they read is no layer's output

    def __init__(self, weights: Mapping[str, Tensor], head: Tensor, eps: float) -> None:
        super().__init__()
        f, d = weights["gate_proj"].shape
        self.norm = nn.RMSNorm(d, eps)
        self.gate_proj = nn.Linear(d, f, bias=False)
        self.up_proj = nn.Linear(d, f, bias=False)
        self.down_proj = nn.Linear(f, d, bias=False)
        self.final_norm = nn.RMSNorm(d, eps)
        self.head = nn.Linear(d, len(head), bias=False)
        values = {**weights, "head": head}
        self.load_state_dict({f"{name}.weight": w.float() for name, w in values.items()})
        self.eval().requires_grad_(False)

    @classmethod
    def of(cls, model: Any, labels: Sequence[int]) -> Tail:
        """The tail of a Llama-like model of transformers.

        Args:
            model: a decoder with its head.
            labels: L tokens, one for each label.

        Raises:
            ValueError: it is another kind of model, or a token is not in its vocabulary.
        """
        weights, eps = last_weights(model)
        head = model.get_output_embeddings().weight
        rows = checks.index_vector("labels", list(labels))
        checks.below("labels", rows, len(head))
        return cls(weights, head[rows.to(head.device)].detach().cpu(), eps)

    def forward(self, state: Tensor) -> Tensor:
        """Logits of the labels, (..., L).

        Args:
            state: (..., d), see `residual.residuals`.
        """
        x = self.norm(state)
        mlp = self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))
        return self.head(self.final_norm(state + mlp))


def last_weights(model: Any) -> tuple[dict[str, Tensor], float]:
    """The weights above the last attention by the names of WEIGHTS, and the norms' eps.

    Args:
        model: a Llama-like model of transformers, with its head or without.
    """
    block, config = last_block(model), model.config
    named = {name: getattr(block.mlp, name).weight for name in PROJECTIONS}
    named["norm"] = block.post_attention_layernorm.weight
    named["final_norm"] = model.base_model.norm.weight
    return {name: w.detach().float().cpu() for name, w in named.items()}, config.rms_norm_eps


def last_block(model: Any) -> Any:
    """The last block of a model.

    Raises:
        ValueError: it is not built as Llama is.
    """
    blocks = getattr(model.base_model, "layers", None)
    block = blocks[-1] if blocks else None
    mlp = getattr(block, "mlp", None)
    linear = all(isinstance(getattr(mlp, name, None), nn.Linear) for name in PROJECTIONS)
    plain = linear and all(getattr(mlp, name).bias is None for name in PROJECTIONS)
    norms = hasattr(block, "post_attention_layernorm") and not hasattr(
        block, "pre_feedforward_layernorm"
    )
    if not (plain and norms and getattr(model.config, "hidden_act", None) == ACTIVATION):
        raise ValueError(
            f"{type(model).__name__} is not built as Llama is: expected blocks with "
            f"{', '.join(PROJECTIONS)} without bias, {ACTIVATION} between them, and one norm "
            "before the MLP"
        )
    return block


def to_half(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in half precision, for storing.

    Raises:
        ValueError: one of them is too large for it.
    """
    halves = {name: weight.to(torch.float16) for name, weight in weights.items()}
    for name, half in halves.items():
        checks.finite(name, half, "half precision ends at 65504; store float32")
    return halves
