"""Many users served by one language model, each with a LoRA adapter, as peft does it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch

from lore_core.evaluation.serving import Served, stir
from lore_core.language_model.lora import with_lora
from lore_core.tools import extra

TARGETS, RANK, ALPHA = ("q_proj", "v_proj"), 8, 16.0
FILES = ("adapter_config.json", "adapter_model.safetensors")


class Adapters(Served):
    """A LoRA adapter for each user, as peft holds and reads them.

    Args:
        adapted: peft's model, with the adapters "0", "1" and so on; the first is active.
        files: of each user.
    """

    def __init__(self, adapted: Any, files: Sequence[Sequence[Path]]) -> None:
        super().__init__(adapted.get_base_model(), files)
        self.adapted = adapted

    @classmethod
    def drawn(cls, net: Any, folder: Path, n: int, source: torch.Generator) -> Self:
        """n users with numbers of their own, in memory and on the disk; the model is copied."""
        adapted = with_lora(copy.deepcopy(net), source, TARGETS, RANK, ALPHA)
        fresh = [weight for name, weight in adapted.named_parameters() if "lora_" in name]
        for user in range(n):
            stir(fresh, source)
            adapted.save_pretrained(folder / str(user), save_embedding_layers=False)
        for user in range(n):
            where = str(folder / str(user))
            adapted.load_adapter(where, adapter_name=str(user), low_cpu_mem_usage=True)
        adapted.set_adapter("0")
        adapted.delete_adapter("default")
        return cls(adapted.eval(), [[folder / str(u) / name for name in FILES] for u in range(n)])

    def alone(self) -> Self:
        found = type(self)(copy.deepcopy(self.adapted), self.files)
        found.turn(0)  # who is served cannot be deleted
        for user in range(1, len(self.files)):
            found.adapted.delete_adapter(str(user))
        return found

    def read(self, user: int) -> None:
        folder, device = str(self.files[user][0].parent), str(self.net.device)
        hotswap = extra.needed("peft.utils.hotswap", "another user's adapter").hotswap_adapter
        hotswap(self.adapted, folder, "0", torch_device=device)

    def turn(self, user: int) -> None:
        self.adapted.set_adapter(str(user))


class Merged(Adapters):
    """The same adapters, added to the model's weights while it speaks, and taken away again."""

    @classmethod
    def drawn(cls, net: Any, folder: Path, n: int, source: torch.Generator) -> Self:
        found = super().drawn(net, folder, n, source)
        found.adapted.merge_adapter()
        return found

    def read(self, user: int) -> None:
        self.adapted.unmerge_adapter()
        super().read(user)
        self.adapted.merge_adapter()

    def turn(self, user: int) -> None:
        self.adapted.unmerge_adapter()
        super().turn(user)
        self.adapted.merge_adapter()
