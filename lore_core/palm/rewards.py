"""Rewards between 0 and 1, as a portfolio needs them: no error is relative to a negative number.

    r'_k = (clip(r_k) - shift_k) / scale_k       every column from 0 to 1
    w'_k ∝ w_k · scale_k                         so that w'·r' orders responses as w·clip(r) does

A shift changes nobody's order. It changes what a relative error means, so results also give the
absolute error, and the share of the possible gain.

Shapes: M responses, K rewards, U users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lore_core.tools import checks
from lore_core.tools.checks import float_matrix, index_vector, same_length, set_field


@dataclass(frozen=True, eq=False)
class UnitRewards:
    """Rewards from 0 to 1, and how they came to be so.

    Args:
        values: (M, K), each from 0 to 1.
        prompt: (M,) prompt of each response.
        shift: (K,) what was taken off each column.
        scale: (K,) what each column was then divided by.

    Raises:
        ValueError: a shape is off, or a value is not between 0 and 1.
    """

    values: Tensor
    prompt: Tensor
    shift: Tensor
    scale: Tensor

    def __post_init__(self) -> None:
        set_field(self, "values", check_unit(self.values))
        set_field(self, "prompt", index_vector("prompt", self.prompt))
        same_length("values", self.values, "prompt", self.prompt)

    @classmethod
    def scaled(cls, values: Tensor, prompt: Tensor, shift: Tensor, scale: Tensor) -> UnitRewards:
        """Any responses on a given scale; what lies outside is drawn in to 0 or 1.

        Args:
            values: (M, K) rewards as they were before scaling.
            prompt: (M,).
            shift, scale: (K,).

        Raises:
            ValueError: there are not K rewards, or one is not finite.
        """
        values = float_matrix("values", values).double()
        if values.shape[1] != len(scale):
            raise ValueError(
                f"values have {values.shape[1]} rewards, the scale is of {len(scale)}; give the "
                "same rewards"
            )
        unit = ((values - shift) / scale).clamp(0, 1)
        return cls(values=unit, prompt=prompt, shift=shift, scale=scale)

    @property
    def plain(self) -> UnitRewards:
        """The same rewards as if they had come from 0 to 1: users' weights are over these."""
        zeros = torch.zeros_like(self.scale)
        return replace(self, shift=zeros, scale=zeros + 1)

    def again(self, values: Tensor, prompt: Tensor) -> UnitRewards:
        """Other responses on the same scale, such as those to unseen prompts.

        Args:
            values: (M', K) rewards as they were before scaling.
            prompt: (M',).
        """
        return UnitRewards.scaled(values, prompt, self.shift, self.scale)


def unit_rewards(
    values: Tensor,
    prompt: Tensor,
    clip: tuple[float, float] = (0.01, 0.99),
    names: Sequence[str] = (),
) -> UnitRewards:
    """Bring every reward to [0, 1]: its tails are drawn in, then it is shifted and scaled.

    Args:
        values: (M, K) trait columns, or LoRe's `basis_scores`.
        prompt: (M,) prompt of each response.
        clip: the quantiles of a column that become 0 and 1; what lies outside is drawn in to them.
        names: K names or none, for messages.

    Raises:
        ValueError: `clip` is no pair of shares, a column does not vary, or a shape is off.
    """
    values = float_matrix("values", values).double()
    low, high = checks.two("clip", clip, "two shares, the lower one first, such as (0.01, 0.99)")
    if not 0 <= low < high <= 1:
        raise ValueError(f"clip is {clip!r}, expected 0 <= lower < upper <= 1")
    if len(values) == 0:
        raise ValueError("there are no responses to scale the rewards by; give some")
    ends = torch.quantile(values, torch.tensor([low, high], dtype=values.dtype), dim=0)
    scale = ends[1] - ends[0]
    check_varies(values, scale, checks.names("names", names, values.shape[1]))
    return UnitRewards.scaled(values, prompt, ends[0], scale)


def rescaled(weights: Tensor, scale: Tensor) -> Tensor:
    """Weights over unit rewards that order responses as the given ones order the rewards before.

    Args:
        weights: (U, K) over rewards before scaling, rows on the simplex.
        scale: (K,) of `UnitRewards`.

    Returns:
        (U, K), rows sum to one.
    """
    weights = checks.simplex_rows("weights", weights).double()
    if weights.shape[1] != len(scale):
        raise ValueError(f"weights have {weights.shape[1]} columns for {len(scale)} rewards")
    scaled = weights * scale
    return scaled / scaled.sum(1, keepdim=True)


def check_varies(values: Tensor, scale: Tensor, names: Sequence[str]) -> None:
    """Raise a ValueError that names the first column without two different values in its middle."""
    for column in (scale <= 0).nonzero().flatten().tolist():
        name = f"reward {column}" + (f" ({names[column]})" if names else "")
        if values[:, column].min() == values[:, column].max():
            raise ValueError(f"{name} is the same for every response; leave it out")
        raise ValueError(f"{name} varies in its tails alone; give clip=(0, 1), or leave it out")


def check_unit(values: Tensor) -> Tensor:
    """Rewards in float64, or a ValueError unless they lie between 0 and 1."""
    values = float_matrix("rewards", values).double()
    if values.numel() and not (0 <= values.min() and values.max() <= 1):
        raise ValueError(
            f"rewards reach from {float(values.min()):.3g} to {float(values.max()):.3g}, expected "
            "0 to 1; bring them there with unit_rewards(values, prompt)"
        )
    return values
