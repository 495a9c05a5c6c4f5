"""A portfolio: a few policies, and which of them a user is served by.

    assign(v) = argmax_j f_v(π_j) = argmax_j  v · reward_j - cost_j

Who is served by which policy is known from the prompts on which the portfolio was made. What they
get is measured on other prompts, against the most that any policy could give them there.

Shapes: n policies, U users, K rewards.

Source: PALM (arXiv 2604.04144), Definitions 3.1 and 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lore_core.palm.adapters import adapter_name
from lore_core.palm.cover import gaps
from lore_core.palm.policy import Policies, choice, mixtures, optimum, tilt, values
from lore_core.palm.rewards import UnitRewards, rescaled
from lore_core.tools import checks, tensor_files
from lore_core.tools.checks import float_matrix, set_field, simplex_rows

FIELDS = ("weights", "reward", "cost", "shift", "scale")
NOTHING = 1e-12  # a possible gain that is none


class Served(NamedTuple):
    """What users get: each (U,), in units of the reward.

    Args:
        got: from the policy that serves them.
        best: the most that any policy could give them.
        base: from the base policy.
    """

    got: Tensor
    best: Tensor
    base: Tensor

    @property
    def absolute(self) -> Tensor:
        """How much is missing, f_v* - f_v."""
        return self.best - self.got

    @property
    def relative(self) -> Tensor:
        """The share of f_v* that is missing: PALM's ε."""
        return gaps(self.got[None], self.best)[0]

    @property
    def share(self) -> Tensor:
        """The share of the possible gain over the base that is missing; 0 where there is none."""
        possible = self.best - self.base
        return torch.where(possible > NOTHING, self.absolute / possible.clamp(min=NOTHING), 0.0)


@dataclass(frozen=True, eq=False)
class Portfolio:
    """A few policies for many users.

    Args:
        weights: (n, K) over rewards from 0 to 1, what each policy is tuned for.
        reward, cost: (n, K) and (n,) of each policy on the prompts on which it was made.
        beta: the KL penalty β of all of them.
        shift, scale: (K,) by which rewards were brought to [0, 1]; 0 and 1 where they came so.

    Raises:
        ValueError: there is no policy, weights are off the simplex, or shapes disagree.
    """

    weights: Tensor
    reward: Tensor
    cost: Tensor
    beta: float
    shift: Tensor
    scale: Tensor

    def __post_init__(self) -> None:
        set_field(self, "weights", simplex_rows("weights", self.weights).double())
        set_field(self, "reward", float_matrix("reward", self.reward).double())
        for name in ("cost", "shift", "scale"):
            set_field(self, name, checks.vector(name, getattr(self, name)))
        set_field(self, "beta", checks.number("beta", self.beta))
        n, n_rewards = checks.whole_number("n", len(self.weights), at_least=1), len(self.scale)
        shapes = [tuple(getattr(self, name).shape) for name in FIELDS]
        if shapes != [(n, n_rewards), (n, n_rewards), (n,), (n_rewards,), (n_rewards,)]:
            raise ValueError(
                f"{', '.join(FIELDS)} have shapes {shapes}, expected (n, K), (n, K), (n,), (K,), "
                "(K,)"
            )

    @classmethod
    def of(
        cls,
        policies: Policies,
        shift: Tensor | None = None,
        scale: Tensor | None = None,
    ) -> Portfolio:
        """A portfolio of these policies.

        Args:
            policies: n of them.
            shift, scale: of `UnitRewards`; default none was needed.
        """
        zeros = policies.reward.new_zeros(policies.reward.shape[1])
        return cls(
            weights=policies.weights,
            reward=policies.reward,
            cost=policies.cost,
            beta=policies.beta,
            shift=zeros if shift is None else shift,
            scale=zeros + 1 if scale is None else scale,
        )

    @classmethod
    def tuned(cls, rewards: UnitRewards, weights: Tensor, beta: float) -> Portfolio:
        """The portfolio of the policies that are tuned for given weights.

        Args:
            rewards: of the prompts on which it is made.
            weights: (n, K) over rewards from 0 to 1, rows on the simplex.
            beta: the KL penalty β.
        """
        policies = tilt(rewards.values, rewards.prompt, weights, beta)
        return cls.of(policies, rewards.shift, rewards.scale)

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def policies(self) -> Policies:
        """The policies, as on the prompts on which the portfolio was made."""
        return Policies(reward=self.reward, cost=self.cost, weights=self.weights, beta=self.beta)

    def assign(self, weights: Tensor) -> Tensor:
        """Which policy serves each user, (U,): the one that is worth most to them.

        Args:
            weights: (U, K) rows on the simplex, over the rewards as they were before they were
                brought to [0, 1]: for LoRe's basis simply the users' weights.

        Raises:
            ValueError: weights are off the simplex, or for another K.
        """
        return values(self.policies, self.unit(weights)).argmax(0)

    def route(self, weights: Tensor) -> list[str]:
        """The name of the adapter that serves each user, as `train.train_portfolio` names them.

        Args:
            weights: as for `assign`.
        """
        return [adapter_name(policy) for policy in self.assign(weights).tolist()]

    def serve(self, weights: Tensor, rewards: Tensor, prompt: Tensor) -> Served:
        """What users get on some prompts from the policy that they are assigned to.

        Args:
            weights: (U, K) as for `assign`.
            rewards: (M, K) from 0 to 1, of any prompts, brought there by the same shift and scale.
            prompt: (M,).
        """
        unit = self.unit(weights)
        return Served(
            got=self.got(weights, rewards, prompt),
            best=optimum(rewards, prompt, unit, self.beta),
            base=unit @ choice(rewards, prompt).rewards.mean((0, 1)),
        )

    def got(self, weights: Tensor, rewards: Tensor, prompt: Tensor) -> Tensor:
        """What users get on some prompts, (U,), without what they could have got; as `serve`."""
        here = tilt(rewards, prompt, self.weights, self.beta)
        return values(here, self.unit(weights)).gather(0, self.assign(weights)[None])[0]

    def gap(self, weights: Tensor, rewards: Tensor, prompt: Tensor, delta: float = 0.0) -> Tensor:
        """The relative gap of each user on some prompts, (U,): what of f_v* - δ is missing.

        Args:
            weights, rewards, prompt: as for `serve`.
            delta: the absolute error δ that is forgiven.
        """
        served = self.serve(weights, rewards, prompt)
        return gaps(served.got[None], served.best, delta)[0]

    def unit(self, weights: Tensor) -> Tensor:
        """Users' weights over the rewards from 0 to 1, (U, K)."""
        return rescaled(mixtures(weights, len(self.scale)), self.scale)

    def save(self, path: Path | str) -> None:
        """Write the portfolio to a safetensors file, whole or not at all."""
        tensors = {name: getattr(self, name) for name in FIELDS}
        tensor_files.write(path, tensors, {"kind": "Portfolio", "beta": self.beta})

    @classmethod
    def load(cls, path: Path | str) -> Portfolio:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds something else.
        """
        return tensor_files.read_as(
            path,
            "Portfolio",
            lambda tensors, about: cls(
                beta=about["beta"], **{name: tensors[name] for name in FIELDS}
            ),
        )
