"""What is the same in every plan that leads from LaMP's files to personal answers."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lore_core.language_model import causal
from lore_core.language_model.checkpoint import Checkpoint, find
from lore_core.tasks.lamp_tasks import task_of
from lore_core.tasks.lamp_users import Users
from lore_core.tools import checks, draws
from lore_core.tools.devices import Device

# As a command line asks for it.
OPTIONS: dict[str, dict[str, Any]] = {
    "--kind --dtype": {
        "choices": causal.KINDS,
        "default": "float32",
        "help": "of number (default float32)",
    },
    "--device": {"help": "where to compute, such as cpu or cuda:1 (default a GPU if there is one)"},
    "--seed": {"type": int, "default": 0, "help": "of all draws (default 0)"},
    "--limit-users": {"metavar": "N", "type": int, "help": "take the first N users (default all)"},
    "--tokens": {"type": int, "default": 512, "help": "of a prompt, at most (default 512)"},
    "--batch": {
        "metavar": "TOKENS",
        "type": int,
        "default": causal.BUDGET,
        "help": f"what is read at once (default {causal.BUDGET}); less if memory is short",
    },
}


@dataclass(frozen=True)
class LampPlan:
    """What is to be done.

    Args:
        model: a folder, or a name on the Hub.
        lamp: folder with LaMP's files.
        task: such as "LaMP_3".
        out: folder for all that is made.
        kind: of number, "float32" or "bfloat16"; what is trained is float32.
        device: where it computes; default a GPU if there is one.
        seed: of all draws.
        limit: take so many users at most.
        tokens: of a prompt, at most.
        budget: tokens that are in memory at once; results do not depend on it, but for rounding.

    Raises:
        ValueError: an option is unknown, or a number is out of range.
    """

    model: Path | str
    lamp: Path | str
    task: str
    out: Path | str
    kind: str = "float32"
    device: Device = None
    seed: int = 0
    limit: int | None = None
    tokens: int = 512
    budget: int = causal.BUDGET

    def __post_init__(self) -> None:
        task_of(self.task)
        checks.one_of("kind", self.kind, causal.KINDS)
        checks.whole_numbers(1, tokens=self.tokens, budget=self.budget)
        draws.generator(self.seed)

    @property
    def folder(self) -> Path:
        """Where everything goes."""
        return Path(self.out)

    @cached_property
    def users(self) -> Users:
        """Who they are."""
        raise NotImplementedError("which of LaMP's layouts is read, a plan of its own says")

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The model's files."""
        return find(self.model)

    @property
    def settings(self) -> dict[str, Any]:
        """All that the result depends on."""
        same = ("kind", "seed", "limit", "tokens")
        return {name: getattr(self, name) for name in same} | {
            "task": task_of(self.task).name,
            "model": self.checkpoint.fingerprint,
            "users": self.users.fingerprint,
        }


def said(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of a plan that `OPTIONS` asks for."""
    return {
        "kind": options.kind,
        "device": options.device,
        "seed": options.seed,
        "limit": options.limit_users,
        "tokens": options.tokens,
        "budget": options.batch,
    }
