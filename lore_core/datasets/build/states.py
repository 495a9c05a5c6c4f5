"""Makes data/alpaca_eval.ENCODER.safetensors: the responses as hidden states of a language model.

    python -m lore_core.datasets.build.states [--source FOLDER] [--model NAME_OR_FOLDER] ...

Every state is measured in its own standard deviation: a language model keeps a few features that
are hundreds of times larger than the others, and half precision would round the others to them.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from lore_core.datasets import alpaca_eval
from lore_core.datasets.alpaca_eval import FILE, states_file
from lore_core.datasets.build import command, sheet
from lore_core.datasets.build.alpaca_eval import CACHE, SUMS, place, write_checked
from lore_core.datasets.build.texts import GENERATORS, bring, origin
from lore_core.language_model import weights
from lore_core.language_model.chat import turns
from lore_core.language_model.decoder import KINDS, Decoder
from lore_core.language_model.states import POOLINGS, read_states, standardised
from lore_core.tools import checks, checksums
from lore_core.tools.command import Options

LAYER = weights.LAYER  # see `layers.py`, which compares all of them
POOLING = weights.POOLING
KIND = "float32"


def build(
    source: Path | str | None = None,
    model: Path | str | None = None,
    layer: int = LAYER,
    pooling: str = POOLING,
    kind: str = KIND,
    out: Path | str | None = None,
    cache: Path | str = CACHE,
    sums: Path | str = SUMS,
    generators: Sequence[str] = GENERATORS,
    progress: bool = True,
) -> Path:
    """Write the states of all responses and of all prompts, and their checksum.

    Args:
        source: folder with the texts; without it they are downloaded into `cache`.
        model: decoder's name or folder; default SmolLM2 as `make model` makes it.
        layer: at which layer, see `Decoder.hidden`.
        pooling: over which tokens of the response, one of POOLINGS.
        kind: of number that the decoder computes in.
        out: file to write; default beside the file of the traits, named as `encoder` says.
        cache: folder for downloads and states; an interrupted build goes on from there.
        sums: checksum file of the texts.
        generators: models to take, in the order of the rows.
        progress: show bars.

    Returns:
        The path of the file.

    Raises:
        ImportError: a module of the extra `hub` is missing.
        OSError: a text or the decoder cannot be had.
        ValueError: a text is not the expected one, or there is no such layer or pooling.
    """
    checks.one_of("pooling", pooling, POOLINGS)
    prompts, responses, _ = bring(source, cache, sums, generators, progress)
    decoder = Decoder.load(model or weights.make(), up_to=layer, kind=kind)
    chats = turns(decoder.tokenizer, repeated(prompts, len(generators)), responses)
    states = read_states(chats, decoder, [layer], Path(cache) / "states", progress)[:, 0]
    embeddings, scale = standardised(states[:, POOLINGS.index(pooling)])
    before, prompt_scale = standardised(states[:: len(generators), POOLINGS.index("prompt")])
    tensors = {
        "embeddings": embeddings.half(),
        "prompt_embeddings": before.half(),
        "scale": scale,
        "prompt_scale": prompt_scale,
    }
    commit = origin(checksums.read_sums(sums), generators)
    about = {"commit": commit, "model": called(model), "generators": list(generators)}
    reading = {"layer": layer, "pooling": pooling, "kind": kind}
    path = Path(out or states_file(place(None, generators), encoder(model, layer, pooling, kind)))
    write(path, tensors, about | reading)
    return path


def repeated(prompts: list[str], n: int) -> list[str]:
    """Each prompt once for each of its n responses, prompt-major."""
    return [prompt for prompt in prompts for _ in range(n)]


def called(model: Path | str | None) -> str:
    """What a file calls the decoder; a folder goes by its last part, no path gets into a file."""
    if model is None:
        return f"{weights.NAME}, weights rounded to four bits"
    return Path(model).name if Path(model).is_dir() else str(model)


def encoder(
    model: Path | str | None, layer: int = LAYER, pooling: str = POOLING, kind: str = KIND
) -> str:
    """The name that `alpaca_eval.load` knows these states by.

    A decoder of one's own gives its name. SmolLM2 read in another way than the committed file was
    has a name of its own too, so that nothing takes the place of that file.
    """
    if model is not None:
        return Path(model).name
    if (layer, pooling, kind) == (LAYER, POOLING, KIND):
        return alpaca_eval.SMOLLM2
    return f"{alpaca_eval.SMOLLM2}-{layer}-{pooling}-{kind}"


def write(path: Path, tensors: dict[str, Tensor], about: dict) -> None:
    """Write the file and its checksum; the data sheet beside them is that of the committed one."""
    write_checked(path, tensors, about)
    if path.name == states_file(FILE, encoder(None)).name:
        readme = path.parent / "README.md"
        sheet.update(readme, "states", lambda: tables(tensors, about, path.parent))


def tables(tensors: dict[str, Tensor], about: dict, folder: Path) -> str:
    """The tables of the data sheet in a folder, which holds the traits too."""
    base, rest = alpaca_eval.read(folder / FILE.name)
    return sheet.states_tables(tensors, rest | about, base)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `build`."""
    more: Options = {
        "--layer": {"type": int, "default": LAYER, "help": f"which layer (default {LAYER})"},
        "--pooling": {"default": POOLING, "help": " or ".join(POOLINGS)},
        "--kind": {"default": KIND, "help": " or ".join(KINDS)},
    }
    command.main("states", "Build the hidden states from the texts.", build, arguments, more)


if __name__ == "__main__":
    main()
