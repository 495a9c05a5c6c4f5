"""Makes data/shifts.safetensors: how a profile in the prompt moves a language model's states.

    python -m lore_core.datasets.build.shifts [--source FOLDER] [--model NAME_OR_FOLDER] ...

data/README.md describes every tensor.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lore_core.datasets import alpaca_eval
from lore_core.datasets.build import command
from lore_core.datasets.build.alpaca_eval import CACHE, SUMS, write_checked
from lore_core.datasets.build.alpaca_eval import place as texts_place
from lore_core.datasets.build.states import called, repeated
from lore_core.datasets.build.texts import GENERATORS, bring, ids, origin
from lore_core.datasets.shifts import FILE, KINDS, PANEL, SEED
from lore_core.language_model import causal, weights
from lore_core.language_model.decoder import fingerprint
from lore_core.language_model.tail import to_half
from lore_core.perfit.observe import Shifts, shifts
from lore_core.perfit.profiles import Rated
from lore_core.tasks import Panel, rating
from lore_core.tasks.traits import DECODABLE
from lore_core.tools import checks, checksums
from lore_core.tools.paths import BUILD

LAYERS: tuple[int | str, ...] = (5, 10, 15, 20, 25, "tail")
READING: dict[str, Any] = {"n_queries": 4, "k": 3, "budget": 160}


def build(
    source: Path | str | None = None,
    model: Path | str | None = None,
    numbers: Path | str | None = None,
    out: Path | str | None = None,
    cache: Path | str = CACHE,
    sums: Path | str = SUMS,
    generators: Sequence[str] = GENERATORS,
    panel: Panel = PANEL,
    layers: Sequence[int | str] = LAYERS,
    progress: bool = True,
) -> Path:
    """Write the shifts of all users who take part from the first, and the file's checksum.

    Args:
        source: folder with the texts; without it they are downloaded into `cache`.
        model: decoder's name or folder; default SmolLM2 as `make model` makes it.
        numbers: file of the traits and of the sentence encoder's vectors; default that in data/.
        out: file to write; default FILE for what the course has, and a file in build/ for others:
            nothing takes the place of what is committed.
        cache: folder for downloads and states; an interrupted build goes on from there.
        sums: checksum file of the texts.
        generators: models to take, in the order of the rows.
        panel: who takes part, with at least two items each.
        layers: see `perfit.observe.shifts`.
        progress: show bars.

    Returns:
        The path of the file.

    Raises:
        ImportError: a module of the extra `hub` is missing.
        OSError: a text or the decoder cannot be had.
        ValueError: a text is not the expected one, the texts are not those of the numbers, a
            history is too short, or the decoder is not built as Llama is.
    """
    if panel.shortest < 2:
        raise ValueError(
            f"the shortest history is {panel.shortest}, expected at least 2 items: one for each of "
            "two draws"
        )
    rated, taste = told(bring(source, cache, sums, generators, progress), numbers, panel)
    net, tokenizer = causal.load(model or weights.make())
    found = {}
    for kind in KINDS:
        how: dict[str, Any] = {"profile": kind, "half": 0}
        how |= {"profile": "own", "half": 1} if kind == "again" else {}
        how |= {"seed": SEED, "cache": Path(cache) / "shifts", "progress": progress}
        found[kind] = shifts(net, tokenizer, rated, layers, **READING, **how)
    tensors = {kind: of.value for kind, of in found.items()}
    commit = origin(checksums.read_sums(sums), generators)
    about: dict[str, Any] = {"commit": commit, "model": called(model)}
    about |= {"generators": list(generators)}
    about |= {"weights": fingerprint(net.base_model), "layers": list(layers), **READING}
    about |= {"seed": SEED, "panel": asdict(panel), "traits": list(DECODABLE)}
    path = Path(out or place(model, generators, panel, layers))
    write_checked(path, to_half(tensors) | users(found, rated, taste), about)
    return path


def told(
    texts: tuple[list[str], list[str], Tensor | None], numbers: Path | str | None, panel: Panel
) -> tuple[Rated, Tensor]:
    """The task with its texts, and everybody's taste.

    Near is what the sentence encoder finds alike in instructions.

    Args:
        texts: as `texts.join` gives them.
        numbers, panel: as in `build`.

    Raises:
        ValueError: the numbers are those of other texts.
    """
    file = numbers or alpaca_eval.FILE
    if not torch.equal(alpaca_eval.read(file)[0]["response_id"], ids(texts[1])):
        raise ValueError(f"{file} holds the traits of other texts; build it from these ones")
    responses = alpaca_eval.load(file, encoder=alpaca_eval.MINILM)
    task = rating.make(responses, SEED, panel)
    instructions = repeated(texts[0], len(texts[1]) // len(texts[0]))
    vectors = checks.float_matrix("prompt_embeddings", responses.prompt_embeddings)
    rated = Rated(task, instructions, texts[1], vectors[responses.prompt])
    return rated, rating.tastes_of(responses, SEED, panel)


def users(found: dict[str, Shifts], rated: Rated, taste: Tensor) -> dict[str, Tensor]:
    """Who the rows are, the same in every kind."""
    own = found["own"]
    columns = {"user": own.user, "partner": own.partner}
    columns |= {"group": rated.task.group[own.user], "length": rated.task.lengths[own.user]}
    return {name: ids.int() for name, ids in columns.items()} | {"taste": taste[own.user].float()}


def place(
    model: Path | str | None,
    generators: Sequence[str],
    panel: Panel,
    layers: Sequence[int | str],
) -> Path:
    """FILE for what is committed there, and a file in build/ for everything else."""
    ours = panel == PANEL and tuple(layers) == LAYERS
    return texts_place(model, generators, FILE) if ours else BUILD / "data" / FILE.name


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `build`."""
    more = {"--numbers": {"help": "file of the traits (default data/)"}}
    command.main("shifts", "Build data/shifts.safetensors from the texts.", build, arguments, more)


if __name__ == "__main__":
    main()
