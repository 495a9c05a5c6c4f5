"""A small set of texts with the schema of AlpacaEval's: three models answer twelve prompts."""

import gzip
import json

from lore_core.tools import checksums

MODELS = ("a", "b", "c")
WORDS = "one two three four five six seven eight nine ten".split()
PROMPTS = [f"{a} {b}" for a in WORDS[:4] for b in WORDS[4:7]]  # 12 of them


def preference(model: str, row: int) -> float:
    return (row + 1 + 20 * MODELS.index(model)) / 100


def response(model: str, row: int) -> str:
    """Texts of different length, form and tone, so that no trait is constant."""
    opening = ["I am happy.", "This is bad because of 3 reasons.", "It may rain, sorry."][row % 3]
    ending = {"a": "", "b": "\n\n- **a point**\n- a point", "c": " Considerable complications!"}
    return opening + " one two" * row + ending[model]


def outputs(model):
    return [{"instruction": p, "output": response(model, i)} for i, p in enumerate(PROMPTS)]


def annotations(model):
    """In another order than the outputs, as in the real files."""
    rows = [
        {"instruction": p, "output_2": response(model, i), "preference": 1 + preference(model, i)}
        for i, p in enumerate(PROMPTS)
    ]
    return rows[::-1]


def put(folder, model, kind, rows, zipped=True):
    """Write one file, and its checksum into the checksum file."""
    place = "weighted_alpaca_eval_gpt4_turbo/annotations" if kind == "judged" else "model_outputs"
    name, content = f"results/{model}/{place}.json", json.dumps(rows).encode()
    path = folder / (f"{name}.gz" if zipped else name)
    checksums.write(path, gzip.compress(content) if zipped else content)
    sums = folder / "sums.sha256"
    lines = sums.read_text().splitlines() if sums.is_file() else []
    kept = [line for line in lines if not line.endswith(name)]
    sums.write_text("\n".join([*kept, f"{checksums.sha256(content)}  {name}"]))
    return path


def written(folder):
    """A folder of these texts and their checksums; the last model's files are not zipped."""
    for model in MODELS:
        put(folder, model, "outputs", outputs(model), zipped=model != "c")
        put(folder, model, "judged", annotations(model), zipped=model != "c")
    return folder
