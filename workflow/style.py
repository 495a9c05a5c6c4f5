"""Answers in a user's style by a small language model; workflow/style.smk calls it.

    style.py states      SOURCE states.done
    style.py population  SOURCE population.safetensors
    style.py family      SOURCE crowd population.safetensors crowd.json
    style.py history     SOURCE "history in the prompt" history.json
    style.py experts     SOURCE population.safetensors experts
    style.py xlora       SOURCE population.safetensors experts X-LoRA.json
    style.py table       base.json crowd.json ... style.csv style_texts.csv

SOURCE is a folder with the texts, or the word public: then they are downloaded. The states that
enter the upper blocks are read once and kept; every family of methods is a piece of its own.
"""

import sys
from pathlib import Path

from lore_core.datasets import alpaca_eval, alpaca_eval_minilm
from lore_core.datasets.build.alpaca_eval import CACHE, SUMS
from lore_core.datasets.build.texts import GENERATORS, bring
from lore_core.evaluation import small_tables, style_history, style_rows, style_table, style_xlora
from lore_core.evaluation.style_study import Study, merged, study
from lore_core.language_model import causal
from lore_core.language_model.weights import FOLDER
from lore_core.tasks import Task, style
from lore_core.tools import tensor_files
from lore_core.tools.paths import BUILD

PUBLIC = "public"
STATES = BUILD / "style" / "states"


def task() -> Task:
    """Who wants which response."""
    return style.make(alpaca_eval.load(), style_rows.SEED, style_rows.PANEL)


def made(source: str, block: int = style_rows.BLOCK) -> Study:
    """The task as the model reads it; what enters a block is read now or lies on the disk."""
    folder = None if source == PUBLIC else source
    instructions, responses, _ = bring(folder, CACHE, SUMS, GENERATORS, progress=False)
    model, tokenizer = causal.load(FOLDER, device="cpu")
    texts = (instructions, responses)
    return study(task(), model, tokenizer, *texts, STATES, block)


def states(source: str, out: str) -> None:
    """Read what enters the upper blocks."""
    found = made(source)
    tokens = sum(chat.stop for chat in found.items.chats)
    Path(out).write_text(f"{len(found.items)} items, {tokens} tokens\n", encoding="utf-8")


def population(source: str, out: str) -> None:
    """What all users share, learned from everybody's history."""
    tuned = style_rows.population(made(source))
    tensor_files.write(out, merged(tuned), {"losses": tuned.curves["population"]})


def family(source: str, name: str, *population_and_out: str) -> None:
    """One family of methods: every test item read, some of them answered."""
    *shared, out = population_and_out
    weights = tensor_files.read(shared[0])[0] if name != "base" else None
    style_rows.write(out, style_rows.items(made(source), name, weights))


def history(source: str, method: str, out: str) -> None:
    """Every test item behind items of a history; nearest are those that a sentence encoder says."""
    study, responses = made(source), alpaca_eval_minilm.load()
    vectors = responses.prompt_embeddings[responses.prompt[study.task.response]]
    style_rows.write(out, style_history.items(study, vectors, method))


def experts(source: str, shared: str, out: str) -> None:
    """PROPER's experts, each in a folder of its own that peft loads."""
    style_xlora.experts(made(source), tensor_files.read(shared)[0], out)


def xlora(source: str, shared: str, folder: str, out: str) -> None:
    """The same experts, mixed by a classifier that reads the text."""
    weights = tensor_files.read(shared)[0]
    folders = sorted(Path(folder).glob("[0-9]*"))  # Snakemake puts a file of its own beside them
    style_rows.write(out, style_xlora.items(style_xlora.fit(made(source), weights, folders)))


def table(*files_and_outs: str) -> None:
    """The table of all methods, and four texts."""
    *files, out, texts = files_and_outs
    found = style_rows.gathered(files)
    small_tables.write(style_table.table(found), out)
    small_tables.write(style_table.shown(task(), found), texts)


PIECES = {
    "states": states,
    "population": population,
    "family": family,
    "history": history,
    "experts": experts,
    "xlora": xlora,
    "table": table,
}

if __name__ == "__main__":
    PIECES[sys.argv[1]](*sys.argv[2:])
