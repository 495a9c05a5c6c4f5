"""Makes data/alpaca_eval.safetensors from the public texts.

    python -m lore_core.datasets.build.alpaca_eval [--source FOLDER] [--model NAME_OR_FOLDER]

Rows are prompt-major: row = prompt * 8 + generator.  data/README.md describes every tensor.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lore_core.datasets.alpaca_eval import FILE
from lore_core.datasets.build import sheet, traits
from lore_core.datasets.build.embedded import MODEL, embed_pairs, encoder
from lore_core.datasets.build.texts import GENERATORS, SUMS, bring, ids, origin
from lore_core.tools import checksums, extra, tensor_files
from lore_core.tools.paths import BUILD, DATA

CACHE = DATA / "source"


def build(
    source: Path | str | None = None,
    model: Path | str | None = None,
    out: Path | str | None = None,
    cache: Path | str = CACHE,
    sums: Path | str = SUMS,
    generators: Sequence[str] = GENERATORS,
    progress: bool = True,
) -> Path:
    """Write the data file, its checksum, and the tables of the data sheet beside it, if it has one.

    Args:
        source: folder with the texts; without it they are downloaded into `cache`.
        model: encoder's name or folder; default all-MiniLM-L6-v2.
        out: file to write; default FILE for the eight models and the encoder of the course, and a
            file in build/ for others: nothing takes the place of what is committed.
        cache: folder for downloads and embeddings; an interrupted build goes on from there.
        sums: checksum file of the texts; a text that it does not name is taken as it is.
        generators: models to take, in the order of the rows. Without annotations of all of them
            there is no trait `judge`.
        progress: show bars.

    Returns:
        The path of the file.

    Raises:
        ImportError: a module of the extra `hub` is missing.
        OSError: a text or the encoder cannot be had.
        ValueError: a text is not the expected one.
    """
    for module in ("textstat", "sklearn"):  # said now, not after minutes of embedding
        extra.needed(module, "the build")
    name, folder = encoder(model)
    instructions, responses, preference = bring(source, cache, sums, generators, progress)
    alone, embeddings = embed_pairs(instructions, responses, folder, cache, progress)
    measured, names = traits.measure(responses, preference, progress)
    values, scale = traits.standardise(measured)
    prompt = torch.arange(len(instructions), dtype=torch.int32)
    tensors = {
        "embeddings": embeddings.half(),
        "prompt_embeddings": alone.half(),
        "prompt": prompt.repeat_interleave(len(generators)),
        "traits": values.float(),
        "trait_scale": scale,
        "prompt_id": ids(instructions),
        "response_id": ids(responses),
    }
    commit = origin(checksums.read_sums(sums), generators)
    about = {"commit": commit, "model": name, "generators": list(generators), "traits": names}
    path = Path(out or place(model, generators))
    write(path, tensors, about)
    return path


def place(model: Path | str | None, generators: Sequence[str], file: Path = FILE) -> Path:
    """The file for what is committed there, and one in build/ for everything else."""
    ours = model is None and tuple(generators) == GENERATORS
    return file if ours else BUILD / "data" / file.name


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `build`; an error is one line, without a traceback."""
    parser = argparse.ArgumentParser(description="Build data/alpaca_eval.safetensors from texts.")
    parser.add_argument("--source", help="folder with the texts; without it they are downloaded")
    parser.add_argument("--model", help=f"encoder's name or folder (default {MODEL})")
    parser.add_argument("--out", help="file to write (default data/, for other models build/data/)")
    parser.add_argument("--cache", default=CACHE, help="folder for downloads and embeddings")
    parser.add_argument("--sums", default=SUMS, help="checksum file of the texts")
    parser.add_argument("--generators", nargs="+", default=GENERATORS, help="models to take")
    options = vars(parser.parse_args(arguments))
    try:
        print("wrote", build(**options))
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f"alpaca_eval: {error}") from error


def write_checked(path: Path, tensors: dict[str, Tensor], about: dict) -> None:
    """Write a data file, and its checksum beside it."""
    content = tensor_files.packed(tensors, about)
    checksums.write(path, content)
    line = f"{checksums.sha256(content)}  {path.name}\n"
    checksums.write(path.with_suffix(".sha256"), line.encode())


def write(out: Path, tensors: dict[str, Tensor], about: dict) -> None:
    """Write the data file, its checksum beside it, and the tables of the sheet beside both."""
    write_checked(out, tensors, about)
    if out.name == FILE.name:  # the sheet is that of this file
        sheet.update(out.parent / "README.md", "tables", lambda: sheet.tables(tensors, about))


if __name__ == "__main__":
    main()
