"""The folders of the road: how each is written whole, and the network read from them again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lore_core.proper import adapters, user_adapters
from lore_core.proper.fit import MLP
from lore_core.proper.inject import inject
from lore_core.proper.linear import ProperLinear
from lore_core.proper.recipe import Recipe
from lore_core.proper.tuned import Tuned
from lore_core.tasks.lamp_folder import write_json
from lore_core.tools import folders

FOLDERS = {"population": "stage1", "group": "stage2", "person": "stage3", "reroute": "stage3_2"}
SHARED = "adapted.safetensors"


def write_model(place: Path, model: Any, tokenizer: Any, curve: list[float]) -> None:
    """The model after stage 1, as any other model; and its losses."""
    with folders.whole(place) as unfinished:
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        write_json(unfinished / "losses.json", curve)


def write_stage(place: Path, tuned: Tuned, name: str) -> None:
    """The layers after a later stage, and its losses; after stage 3.1 the users as well."""
    with folders.whole(place) as unfinished:
        adapters.save(tuned.injected, unfinished / SHARED, asdict(tuned.recipe))
        if name == "person":
            user_adapters.save_users(tuned.injected, unfinished / "users")
            for user in range(tuned.n_users):
                user_adapters.export_peft(
                    tuned.injected, user, unfinished / "peft" / f"user_{user}"
                )
        write_json(unfinished / "losses.json", tuned.curves[name])


def latest(out: Path, model: Any, recipe: Recipe, n_users: int) -> Tuned:
    """The network after the last stage that is there.

    Args:
        out: the road's folder.
        model: after stage 1; it is changed.
        recipe: of all stages.
        n_users: N.

    Raises:
        ValueError: a file is damaged, or made for another model.
    """
    there = [name for name in recipe.stages if (out / FOLDERS[name]).is_dir()]
    later = [name for name in there if name != "population"]
    if later:
        injected, _ = adapters.load(model, out / FOLDERS[later[-1]] / SHARED)
    else:
        injected = inject(model, MLP, lambda _, linear: ProperLinear(linear))
    if "person" in later:
        users = out / FOLDERS["person"] / "users"
        paths = [users / f"user_{user}.safetensors" for user in range(n_users)]
        user_adapters.load_users(injected, paths)
    last = there[-1] if there else None
    return Tuned(model.eval(), injected, recipe.up_to(last), n_users)
