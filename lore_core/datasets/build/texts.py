"""The texts of AlpacaEval: where they are, and how outputs and annotations are joined."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lore_core.datasets import download
from lore_core.tools import checksums

COMMIT = "cd543a149df89434d8a54582c0151c0b945c3d20"
ADDRESS = f"https://raw.githubusercontent.com/tatsu-lab/alpaca_eval/{COMMIT}/"
GENERATORS = (
    "gpt4_1106_preview",
    "claude-2.1_concise",
    "gpt-3.5-turbo-1106_verbose",
    "FuseChat-Llama-3.1-8B-Instruct",
    "gemma-7b-it",
    "vicuna-13b-v1.5",
    "text_davinci_003",
    "falcon-40b-instruct",
)
REMEDY = "run `make data` to download it, or name a folder that holds it with --source"


def join(
    source: Path | str, sums: dict[str, str], generators: Sequence[str] = GENERATORS
) -> tuple[list[str], list[str], Tensor]:
    """Instructions, responses and the judge's preference, joined on the instruction.

    The outputs and the annotations of one model come in different orders.

    Args:
        source: folder that holds results/<generator>/..., plain or with `.gz`.
        sums: {name: SHA-256} of those files, uncompressed.
        generators: names of C folders in results/.

    Returns:
        P instructions; P * C responses, row = prompt * C + generator; (P * C,) probabilities.

    Raises:
        FileNotFoundError, ValueError: a file is missing, is damaged, or covers other instructions.
    """
    models = [_one_model(Path(source), sums, generator) for generator in generators]
    instructions = list(models[0])
    for generator, answers in zip(generators, models, strict=True):
        if answers.keys() != models[0].keys():
            raise ValueError(f"{generator} and {generators[0]} answer different instructions")
    rows = [answers[instruction] for instruction in instructions for answers in models]
    responses, preference = zip(*rows, strict=True)
    return instructions, list(responses), torch.tensor(preference, dtype=torch.float64)


def bring(
    source: Path | str | None,
    cache: Path | str,
    sums: Path | str,
    generators: Sequence[str],
    progress: bool,
) -> tuple[list[str], list[str], Tensor]:
    """What `join` returns, from a folder or, without one, from the public address.

    Args:
        source: folder with the texts; without it they are downloaded into `cache`.
        cache: folder for downloads.
        sums: checksum file of the texts.
        generators: as in `join`.
        progress: show a bar.
    """
    expected = checksums.read_sums(sums)
    if source is None:
        download.fetch(ADDRESS, cache, expected, progress)
    return join(source or cache, expected, generators)


def ids(texts: list[str]) -> Tensor:
    """The first eight bytes of each text's SHA-256, (n, 8) uint8: which text, without the text."""
    digests = [list(bytes.fromhex(checksums.sha256(text.encode())[:16])) for text in texts]
    return torch.tensor(digests, dtype=torch.uint8)


def _one_model(source: Path, sums: dict[str, str], generator: str) -> dict[str, tuple[str, float]]:
    """{instruction: (response, judge's probability that it beats GPT-4's answer)} of one model."""
    folder = f"results/{generator}"
    outputs = _rows(source, sums, f"{folder}/model_outputs.json")
    judged = _rows(source, sums, f"{folder}/weighted_alpaca_eval_gpt4_turbo/annotations.json")
    for instruction, row in outputs.items():
        if judged.get(instruction, {}).get("output_2") != row["output"]:
            raise ValueError(f"{generator}: no annotation of its response to {instruction[:60]!r}")
    return {text: (row["output"], judged[text]["preference"] - 1) for text, row in outputs.items()}


def _rows(source: Path, sums: dict[str, str], name: str) -> dict[str, dict]:
    """The rows of one file, by instruction."""
    if name not in sums:
        raise ValueError(f"no checksum for {name}; the checksum file names {len(sums)} others")
    rows = json.loads(checksums.read(source / name, sums[name], REMEDY))
    by_instruction = {row["instruction"]: row for row in rows}
    if len(by_instruction) < len(rows):
        raise ValueError(f"{name} holds {len(rows) - len(by_instruction)} instructions twice")
    return by_instruction
