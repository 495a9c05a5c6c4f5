"""Makes data/rating_states.safetensors: what a language model's last MLP reads, and that MLP.

    python -m lore_core.datasets.build.tail [--source FOLDER] [--model NAME_OR_FOLDER] ...

Rows are those of data/alpaca_eval.safetensors.  data/README.md describes every tensor.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from lore_core.datasets.build import command
from lore_core.datasets.build.alpaca_eval import CACHE, SUMS, place, write_checked
from lore_core.datasets.build.states import called, repeated
from lore_core.datasets.build.texts import GENERATORS, bring, origin
from lore_core.datasets.rating_states import FILE, head_name
from lore_core.language_model import causal, rating, weights
from lore_core.language_model.decoder import Decoder
from lore_core.language_model.residual import read_residuals
from lore_core.language_model.tail import last_weights, to_half
from lore_core.tools import checksums


def build(
    source: Path | str | None = None,
    model: Path | str | None = None,
    out: Path | str | None = None,
    cache: Path | str = CACHE,
    sums: Path | str = SUMS,
    generators: Sequence[str] = GENERATORS,
    progress: bool = True,
) -> Path:
    """Write the states of all responses, the weights behind them, and the file's checksum.

    Args:
        source: folder with the texts; without it they are downloaded into `cache`.
        model: decoder's name or folder; default SmolLM2 as `make model` makes it.
        out: file to write; default FILE for the eight models and the decoder of the course, and a
            file in build/ for others: nothing takes the place of what is committed.
        cache: folder for downloads and states; an interrupted build goes on from there.
        sums: checksum file of the texts.
        generators: models to take, in the order of the rows.
        progress: show bars.

    Returns:
        The path of the file.

    Raises:
        ImportError: a module of the extra `hub` is missing.
        OSError: a text or the decoder cannot be had.
        ValueError: a text is not the expected one, or the decoder is not built as Llama is.
    """
    instructions, responses, _ = bring(source, cache, sums, generators, progress)
    net, tokenizer = causal.load(model or weights.make())
    tensors = above(net, tokenizer)  # first, since it says at once what is wrong with a model
    asked = rating.questions(tokenizer, repeated(instructions, len(generators)), responses)
    decoder = Decoder(tokenizer, net.base_model)
    states = read_residuals(asked, decoder, Path(cache) / "residuals", progress)
    commit = origin(checksums.read_sums(sums), generators)
    about = {"commit": commit, "model": called(model), "generators": list(generators)}
    path = Path(out or place(model, generators, FILE))
    write_checked(path, to_half({"state": states, **tensors}), about | read_as(net))
    return path


def above(net: Any, tokenizer: Any) -> dict[str, Tensor]:
    """The weights above the last attention, with the head's rows of all labels."""
    tensors = last_weights(net)[0]
    head = net.get_output_embeddings().weight.detach().cpu()
    for labels in rating.LABELS:
        tensors[head_name(labels)] = head[rating.label_tokens(tokenizer, labels)]
    return tensors


def read_as(net: Any) -> dict[str, Any]:
    """How the texts were read, for the file's own account."""
    return {
        "eps": net.config.rms_norm_eps,
        "block": net.config.num_hidden_layers - 1,
        "instruction_tokens": rating.INSTRUCTION,
        "response_tokens": rating.RESPONSE,
        "text": rating.TEXT,
        "asked": rating.ASKED,
        "labels": {name: list(labels) for name, labels in rating.LABELS.items()},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `build`."""
    command.main("tail", "Build data/rating_states.safetensors from texts.", build, arguments)


if __name__ == "__main__":
    main()
