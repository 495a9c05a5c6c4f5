"""What is ranked: every response once, as a vector.

Shapes: M responses, d features, P prompts, C candidates per prompt, T traits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lore_core.tools.checks import float_matrix, index_vector, names, same_length, set_field
from lore_core.tools.devices import Device, moved

ROWS = 256  # of embeddings, turned into float64 together


@dataclass(frozen=True, eq=False)
class Responses:
    """What is ranked: every response once, as a vector.

    NumPy arrays and tables are copied; tensors are taken as they are.

    Args:
        embeddings: (M, d) floats, one row per (prompt, response).
        prompt: (M,) integers, the prompt each row answers.
        traits: (M, T) floats or None, known reward functions that synthetic users mix.
        trait_names: T names, in the order of the columns of `traits`.
        prompt_embeddings: (P, d') floats or None, row p is the prompt with id p, for methods that
            read the prompt on its own.
        names: M strings or none, what to call each response where a person reads it: its text.
        prompt_names: P strings or none, name p is that of the prompt with id p.

    Raises:
        ValueError: a shape, type or value is off; the message says which and what to do.
    """

    embeddings: Tensor
    prompt: Tensor
    traits: Tensor | None = None
    trait_names: tuple[str, ...] = ()
    prompt_embeddings: Tensor | None = None
    names: tuple[str, ...] = ()
    prompt_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        set_field(self, "embeddings", float_matrix("embeddings", self.embeddings))
        set_field(self, "prompt", index_vector("prompt", self.prompt))
        if isinstance(self.trait_names, str):
            raise ValueError(f"trait_names is {self.trait_names!r}, expected a list of names")
        set_field(self, "trait_names", tuple(self.trait_names or ()))
        same_length("embeddings", self.embeddings, "prompt", self.prompt)
        self._check_traits()
        self._check_prompt_embeddings()
        set_field(self, "names", names("names", self.names, len(self)))
        n_prompts = max(len(self.prompt_names), 1 + self.last_prompt)
        set_field(self, "prompt_names", names("prompt_names", self.prompt_names, n_prompts))

    def _check_traits(self) -> None:
        if self.traits is not None:
            set_field(self, "traits", float_matrix("traits", self.traits))
            same_length("embeddings", self.embeddings, "traits", self.known_traits)
        columns = 0 if self.traits is None else self.traits.shape[1]
        if len(self.trait_names) not in (0, columns):
            raise ValueError(
                f"got {len(self.trait_names)} trait names for {columns} trait columns; "
                "give one name per column, or none"
            )

    def _check_prompt_embeddings(self) -> None:
        if self.prompt_embeddings is None:
            return
        prompts = float_matrix("prompt_embeddings", self.prompt_embeddings)
        set_field(self, "prompt_embeddings", prompts)
        if self.last_prompt >= len(prompts):
            raise ValueError(
                f"prompt id {self.last_prompt} has no row among {len(prompts)} prompt_embeddings; "
                "give one row per prompt, in the order of the ids"
            )

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def last_prompt(self) -> int:
        """The largest prompt id; -1 where there are no responses."""
        return int(self.prompt.max()) if len(self) else -1

    def name(self, row: int) -> str:
        """What to call a response: its name, or its number."""
        return self.names[row] if self.names else f"response {row}"

    def prompt_name(self, prompt: int) -> str:
        """What to call a prompt: its name, or its number."""
        return self.prompt_names[prompt] if self.prompt_names else f"prompt {prompt}"

    @property
    def known_traits(self) -> Tensor:
        """The traits (M, T).

        Raises:
            ValueError: these responses have none.
        """
        if self.traits is None:
            raise ValueError("these responses have no traits for users to mix; give traits")
        return self.traits

    @property
    def candidates(self) -> Tensor:
        """Rows of each prompt's candidates, (P, C).

        Raises:
            ValueError: prompts have different numbers of candidates.
        """
        _, counts = self.prompt.unique(return_counts=True)
        if len(counts) == 0 or (counts != counts[0]).any():
            raise ValueError(
                f"prompts have {sorted(set(counts.tolist()))} candidates each, expected one and "
                "the same number; keep the prompts with equally many, or build pairs yourself"
            )
        return self.prompt.argsort(stable=True).view(len(counts), -1)

    def candidates_of(self, prompts: Tensor) -> Tensor:
        """Rows of the candidates of given prompts.

        Args:
            prompts: (n,) prompt ids, as in `prompt`.

        Returns:
            (n, C) row numbers.

        Raises:
            ValueError: an id is not among `prompt`, or `candidates` raises.
        """
        prompts, known = index_vector("prompts", prompts), self.prompt.unique()
        if len(known) == 0:
            raise ValueError("there are no responses, so no prompt has candidates")
        place = torch.searchsorted(known, prompts.contiguous()).clamp_max(len(known) - 1)
        missing = prompts[known[place] != prompts]
        if len(missing):
            raise ValueError(f"prompt {int(missing[0])} is not among these responses' prompts")
        return self.candidates[place]

    def centred(self) -> Responses:
        """The same responses, with the mean of all embeddings taken out.

        For comparisons by a linear reward: what embeddings have in common cancels in every margin,
        but if it is large it takes the digits of the rest with it.
        """
        return replace(self, embeddings=centred(self.embeddings))

    def to(self, device: Device) -> Responses:
        """The same responses on another device."""
        return moved(self, device)


def centred(embeddings: Tensor) -> Tensor:
    """Rows minus their mean, (M, d), in the type they came in.

    Args:
        embeddings: (M, d).
    """
    return embeddings - mean_row(embeddings)


def mean_row(embeddings: Tensor) -> Tensor:
    """The mean of all rows, (d,), in their type; added up in float64, some rows at a time.

    How it is rounded does not matter to differences: all rows are moved by the same.

    Args:
        embeddings: (M, d).
    """
    total = embeddings.new_zeros(embeddings.shape[1], dtype=torch.float64)
    for rows in embeddings.split(ROWS):
        total += rows.double().sum(0)
    return (total / len(embeddings)).to(embeddings.dtype)
