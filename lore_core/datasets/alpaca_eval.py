"""AlpacaEval as numbers: 805 real instructions, eight models' responses, ten traits of each.

Two encoders have read the responses: a sentence encoder (all-MiniLM-L6-v2, d = 384), and a language
model of which we take the hidden states (SmolLM2-135M-Instruct, d = 576), as the paper does.

Rows are prompt-major: row = prompt * 8 + generator.  data/README.md describes every tensor.
"""

from pathlib import Path

from torch import Tensor

from lore_core.datasets import shipped
from lore_core.responses import Responses
from lore_core.tools import checksums, tensor_files
from lore_core.tools.paths import DATA

FILE = DATA / "alpaca_eval.safetensors"
TENSORS = {"embeddings", "prompt", "traits", "prompt_embeddings"}
STATES = {"embeddings", "prompt_embeddings"}
MINILM = "minilm"  # whose embeddings lie in FILE itself
SMOLLM2 = "smollm2"


def load(path: Path | str | None = None, encoder: str = SMOLLM2) -> Responses:
    """The 6,440 responses, floats in float64.

    float64 is for what is to come out the same on every processor: labels that are drawn from
    traits, and digits that lessons print. A fit keeps the type of the embeddings, and in float32 it
    takes less time: `replace(responses, embeddings=responses.embeddings.float())`.

    Embeddings (M, d), prompt (M,), traits (M, 10), and embeddings of the 805 instructions alone.

    Args:
        path: another file that `build` wrote; its checksum file lies beside it.
        encoder: "smollm2", "minilm", or the name of a model whose states `make data MODEL=` wrote.

    Raises:
        FileNotFoundError: the file or its checksum is missing.
        ValueError: the file is damaged; the message says what to do.
    """
    tensors, about = whole(path or shipped.path_of(FILE.name), TENSORS)
    if encoder != MINILM:
        tensors |= whole(states(path, encoder), STATES)[0]
    return Responses(
        embeddings=tensors["embeddings"].double(),
        prompt=tensors["prompt"].long(),
        traits=tensors["traits"].double(),
        trait_names=tuple(about["traits"]),
        prompt_embeddings=tensors["prompt_embeddings"].double(),
    )


def read(path: Path | str | None = None) -> tuple[dict[str, Tensor], dict]:
    """All tensors as stored, and what the file says about itself; otherwise like `load`."""
    path = Path(path or shipped.path_of(FILE.name))
    remedy = f"run `git checkout {path.parent.name}/{path.name}`, or build it with `make data`"
    digest = checksums.read_sums(path.with_suffix(".sha256")).get(path.name, "none")
    return tensor_files.unpacked(checksums.read(path, digest, remedy))


def states(path: Path | str | None, encoder: str) -> Path:
    """The file of a language model's states that belongs to a file, or to the one in data/."""
    return states_file(path, encoder) if path else shipped.path_of(states_file(FILE, encoder).name)


def states_file(path: Path | str, encoder: str) -> Path:
    """Where the states of a language model lie: beside the file of everything else."""
    return Path(path).with_name(f"{Path(path).stem}.{encoder}.safetensors")


def whole(path: Path | str, expected: set[str]) -> tuple[dict[str, Tensor], dict]:
    """What `read` reads, or a ValueError unless it holds these tensors."""
    tensors, about = read(path)
    missing = expected - tensors.keys()
    if missing:
        raise ValueError(f"{path} lacks {sorted(missing)}; build it again with `make data`")
    return tensors, about
