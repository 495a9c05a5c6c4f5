"""AlpacaEval as numbers: 805 real instructions, eight models' responses, ten traits of each.

Rows are prompt-major: row = prompt * 8 + generator.  data/README.md describes every tensor.
"""

from pathlib import Path

from torch import Tensor

from lore_core.responses import Responses
from lore_core.tools import checksums, tensor_files
from lore_core.tools.paths import DATA

FILE = DATA / "alpaca_eval.safetensors"
TENSORS = {"embeddings", "prompt", "traits", "prompt_embeddings"}


def load(path: Path | str | None = None) -> Responses:
    """The 6,440 responses, floats in float64.

    Embeddings (M, 384), prompt (M,), traits (M, 10), and embeddings of the 805 instructions alone.

    Args:
        path: another file that `build` wrote; its checksum file lies beside it.

    Raises:
        FileNotFoundError: the file or its checksum is missing.
        ValueError: the file is damaged; the message says what to do.
    """
    tensors, about = read(path)
    missing = TENSORS - tensors.keys()
    if missing:
        raise ValueError(f"{path or FILE} lacks {sorted(missing)}; build it again with `make data`")
    return Responses(
        embeddings=tensors["embeddings"].double(),
        prompt=tensors["prompt"].long(),
        traits=tensors["traits"].double(),
        trait_names=tuple(about["traits"]),
        prompt_embeddings=tensors["prompt_embeddings"].double(),
    )


def read(path: Path | str | None = None) -> tuple[dict[str, Tensor], dict]:
    """All tensors as stored, and what the file says about itself; otherwise like `load`."""
    path = Path(path or FILE)
    remedy = f"run `git checkout {path.parent.name}/{path.name}`, or build it with `make data`"
    digest = checksums.read_sums(path.with_suffix(".sha256")).get(path.name, "none")
    return tensor_files.unpacked(checksums.read(path, digest, remedy))
