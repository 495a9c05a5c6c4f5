"""A linear layer on inputs side by side, W (e, z) + b, as two tables whose rows are added up.

Each e and each z is multiplied once, however often they meet. Autograd alone would put the gradient
of W together from those of its two parts, a copy that costs more than the products; here both are
written where they belong.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class SideBySide(torch.autograd.Function):
    """e W_eᵀ + b and z W_zᵀ, of W = (W_e, W_z)."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, e: Tensor, z: Tensor) -> Any:
        ctx.save_for_backward(weight, e, z)
        of_e, of_z = parts(weight, e, z)
        return torch.addmm(bias, e, of_e.T), z @ of_z.T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_e: Tensor, by_z: Tensor) -> Any:
        weight, e, z = ctx.saved_tensors
        by_weight = torch.empty_like(weight)
        for by, inputs, part in zip((by_e, by_z), (e, z), parts(by_weight, e, z), strict=True):
            torch.mm(by.T, inputs, out=part)
        of_e, of_z = parts(weight, e, z)
        _, _, asked_e, asked_z = ctx.needs_input_grad
        inputs = by_e @ of_e if asked_e else None, by_z @ of_z if asked_z else None
        return by_weight, by_e.sum(0), *inputs


def parts(weight: Tensor, e: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """The columns of a weight that multiply e, and those that multiply z: views of it."""
    return weight[:, : e.shape[1]], weight[:, -z.shape[1] :]


def side_by_side(layer: nn.Linear, e: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer makes of (e_i, z_j) is the sum of row i of the first table and j of the second.

    Args:
        layer: of as many features as an e and a z have together.
        e, z: (n, d) and (m, z).

    Returns:
        (n, h), with the layer's bias, and (m, h).
    """
    return SideBySide.apply(layer.weight, layer.bias, e, z)
