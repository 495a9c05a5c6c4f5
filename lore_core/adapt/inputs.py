"""What the command line names: a reward, responses, a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lore_core import datasets
from lore_core.recipes import FEW_SHOT, FewShot
from lore_core.responses import Responses
from lore_core.reward import LowRankReward
from lore_core.tools import tensor_files


def reward(path: Path | str) -> tuple[LowRankReward, FewShot]:
    """A reward from its file, or from a model that `lore fit` wrote, and how to fit new users.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else, or a model that scales features itself.
    """
    tensors, about = tensor_files.read(path)
    if about.get("kind") != "Scorer":
        return LowRankReward.load(path), FEW_SHOT
    if about["model"] != "low rank":
        raise ValueError(f"{path} holds a model of kind {about['model']!r}, which has no weights")
    if "scale" in tensors:
        raise ValueError(
            f"{path} scales features before it scores them; save its reward by "
            "Scorer.load(...).model.reward.save, and give responses in the units of the fit"
        )
    found = LowRankReward(tensors["model.basis"], tensors["model.logits"])
    return found, FewShot(**about["settings"]["few_shot"])


def responses(source: Path | str) -> Responses:
    """Responses from a file or by the name of a data set; embeddings in .npy are mapped, not read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    if Path(source).suffix != ".npy":
        return datasets.load(source)[0]
    try:
        embeddings = torch.from_numpy(np.load(source, mmap_mode="c"))
        return Responses(embeddings, torch.zeros(len(embeddings), dtype=torch.long))
    except (ValueError, TypeError, EOFError) as error:
        raise ValueError(f"{source} is no table of embeddings ({error})") from error


def changed(recipe: FewShot, said: dict[str, Any]) -> FewShot:
    """A recipe with what is said otherwise; None leaves it as it is."""
    return replace(recipe, **{name: value for name, value in said.items() if value is not None})
