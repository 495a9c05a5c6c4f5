"""The tables of data/README.md, computed from the data file whenever it is built."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lore_core.datasets.build.traits import DEFINITIONS
from lore_core.tools.checksums import write

BEGIN = "<!-- {}: begin (written by the build) -->"
END = "<!-- {}: end -->"
DECODABLE = 0.1  # R² within prompts from which a linear reward can learn a trait
TENSORS = {
    "embeddings": "prompt + response, one unit vector per row",
    "prompt_embeddings": "the instruction alone, one unit vector per prompt",
    "prompt": "the prompt each row answers",
    "traits": "the traits, each with mean 0 and sd 1",
    "trait_scale": "low, high, mean, sd of each trait: z = (raw.clip(low, high) - mean) / sd",
    "prompt_id": "first 8 bytes of the SHA-256 of the instruction",
    "response_id": "first 8 bytes of the SHA-256 of the response",
}

MEANING = {
    "embeddings": "the response's states, each feature with mean 0 and sd 1 over all rows",
    "prompt_embeddings": "the prompt's states, each feature with mean 0 and sd 1 over all prompts",
    "scale": "mean and sd of each of the response's features: z = (state - mean) / sd",
    "prompt_scale": "mean and sd of each of the prompt's features",
}


def update(readme: Path | str, mark: str, tables: Callable[[], str]) -> None:
    """Write tables between two markers of a data sheet, if it is there and has them.

    Args:
        readme: path of the data sheet.
        mark: the name of the markers.
        tables: makes the Markdown.
    """
    readme = Path(readme)
    begin, end = BEGIN.format(mark), END.format(mark)
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    if begin not in text or end not in text:
        return
    before, after = text.split(begin)[0], text.split(end)[1]
    write(readme, f"{before}{begin}\n\n{tables()}\n{end}{after}".encode())


def tables(tensors: dict[str, Tensor], about: dict) -> str:
    """All tables as Markdown: tensors, traits with their decodability, correlations, generators."""
    return "\n".join(
        [
            "### Tensors\n",
            tensor_table(tensors),
            "### Traits\n",
            trait_table(tensors, about["traits"]),
            "### Correlations between traits\n",
            correlation_table(tensors["traits"], about["traits"]),
            "### Generators: mean of each standardised trait\n",
            generator_table(tensors["traits"], about["generators"], about["traits"]),
        ]
    )


def tensor_table(tensors: dict[str, Tensor]) -> str:
    """Name, shape, type and meaning of each tensor."""
    rows = []
    for name in TENSORS:  # in this order, whatever the order in the file
        if name in tensors:
            shape = " × ".join(map(str, tensors[name].shape))
            kind = str(tensors[name].dtype).removeprefix("torch.")
            rows.append([f"`{name}`", shape, kind, TENSORS[name]])
    return markdown(["tensor", "shape", "type", "what"], rows)


def trait_table(tensors: dict[str, Tensor], names: Sequence[str]) -> str:
    """Definition, scale and decodability of each trait; R² below 0.1 within prompts is marked."""
    overall, within = _decodabilities(tensors)
    columns = torch.stack([*tensors["trait_scale"], overall, within], dim=1)
    rows = [[f"`{n}`", DEFINITIONS[n], *fixed(row)] for n, row in zip(names, columns, strict=True)]
    marks = ["yes" if r2 >= DECODABLE else "no" for r2 in within.tolist()]
    marked = [[*row, mark] for row, mark in zip(rows, marks, strict=True)]
    heads = [
        "trait",
        "definition",
        "low",
        "high",
        "mean",
        "sd",
        "R²",
        "R² within prompts",
        "decodable",
    ]
    return markdown(heads, marked)


def _decodabilities(tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """R² of each trait over all rows, and of what differs within a prompt; (T,) each."""
    from lore_core.datasets.build.probe import decodability  # needs scikit-learn

    x = tensors["embeddings"].double()
    y = tensors["traits"].double()
    prompt = tensors["prompt"].long()
    return decodability(x, y, prompt), _within(tensors)


def _within(tensors: dict[str, Tensor]) -> Tensor:
    """R² of what differs within a prompt, for each trait, (T,)."""
    from lore_core.datasets.build.probe import centred, decodability  # needs scikit-learn

    prompt = tensors["prompt"].long()
    x, y = (centred(tensors[name].double(), prompt) for name in ("embeddings", "traits"))
    return decodability(x, y, prompt)


def states_tables(states: dict[str, Tensor], about: dict, base: dict[str, Tensor]) -> str:
    """Of the hidden states: how they were read, the tensors, and R² beside the other encoder's.

    Args:
        states, about: what the file of states holds.
        base: tensors of the file that it belongs to.
    """
    how = [[name, str(about[name])] for name in ("model", "layer", "pooling", "kind")]
    shapes = [
        [f"`{name}`", " × ".join(map(str, states[name].shape)), MEANING[name]] for name in MEANING
    ]
    return "\n".join(
        [
            markdown(["", ""], how),
            markdown(["tensor", "shape", "what"], shapes),
            both_table(base, states["embeddings"], about["traits"]),
        ]
    )


def both_table(base: dict[str, Tensor], states: Tensor, names: Sequence[str]) -> str:
    """R² within prompts of each trait, and on average, from the embeddings and from the states."""
    encoders = [_within(base | {"embeddings": x}) for x in (base["embeddings"], states)]
    columns = torch.stack(encoders, dim=1)
    rows = [[f"`{name}`", *fixed(row)] for name, row in zip(names, columns, strict=True)]
    rows.append(["mean", *fixed(columns.mean(0))])
    return markdown(["R² within prompts", "sentence encoder", "hidden states"], rows)


def correlation_table(traits: Tensor, names: Sequence[str]) -> str:
    """Pearson correlation of every two traits."""
    rows = zip(names, torch.corrcoef(traits.double().T), strict=True)
    return markdown(["", *names], [[name, *fixed(row)] for name, row in rows])


def generator_table(traits: Tensor, generators: Sequence[str], names: Sequence[str]) -> str:
    """Mean of each trait over each generator's responses; in front its row within a prompt."""
    means = traits.double().view(-1, len(generators), len(names)).mean(0)
    rows = [[str(i), name, *fixed(means[i])] for i, name in enumerate(generators)]
    return markdown(["", "generator", *names], rows)


def markdown(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def fixed(row: Tensor) -> list[str]:
    """Numbers with two decimals; a number that rounds to zero has no sign."""
    return [f"{value:.2f}".replace("-0.00", "0.00") for value in row.tolist()]
