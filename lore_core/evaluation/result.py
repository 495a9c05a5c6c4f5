"""What a benchmark finds out about one method in the world of one seed.

Shapes: N seen users, N' unseen users, S shot counts, R repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lore_core.decisions.best_of_n import best_of_n
from lore_core.evaluation.accuracy import accuracy
from lore_core.evaluation.controls import other_users
from lore_core.evaluation.study import UNSEEN, Study
from lore_core.evaluation.utility import true_utility
from lore_core.methods.protocol import Model
from lore_core.tools import draws, tensor_files

TENSORS = ("seen", "curve", "control", "utility")


@dataclass(frozen=True, eq=False)
class Result:
    """How one method did; accuracies are on unseen prompts.

    Args:
        seen: (N,) accuracy of seen users.
        curve: (S, R, N') accuracy of unseen users.
        control: (N',) accuracy after `Benchmark.shots` shots of another user.
        utility: (N',) true utility of the best of n after `Benchmark.shots` shots, mean over
            prompts; NaN for real people, whose tastes nobody knows.
        about: the seed, the settings chosen for all seeds, validation scores of all candidates
            (means over seeds), parameters, pairs, seconds.
    """

    seen: Tensor
    curve: Tensor
    control: Tensor
    utility: Tensor
    about: dict[str, Any]

    def save(self, path: Path | str) -> None:
        """Write a safetensors file, whole or not at all."""
        tensors = {name: getattr(self, name).double() for name in TENSORS}
        tensor_files.write(path, tensors, self.about)

    @classmethod
    def load(cls, path: Path | str) -> Result:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds something else.
        """
        tensors, about = tensor_files.read(path)
        if tensors.keys() != set(TENSORS):
            raise ValueError(
                f"{path} is not a saved Result: it holds {sorted(tensors)}, expected "
                f"{sorted(TENSORS)}; delete it, and `make figures` makes it again"
            )
        return cls(**tensors, about=about)


def another_users(model: Model, study: Study, own: Tensor) -> Tensor:
    """The control: accuracy of unseen users with another user's shots, (N',)."""
    others = other_users(own, draws.generator(0))
    return accuracy(model, study.responses, study.tests[UNSEEN], others)


def utility(model: Model, study: Study, own: Tensor) -> Tensor:
    """True utility of the best of n for unseen users, (N',); NaN where tastes are not known."""
    if study.tastes is None:
        return torch.full((len(own),), torch.nan)
    rows = best_of_n(model, study.responses, study.prompts.test, own)
    return true_utility(study.responses, study.tastes[study.users.test], rows)
