"""Turns the texts of a data set into vectors, from the command line.

    python -m lore_core.embed people.csv --encoder minilm

What is read is kept in the cache, where `load(encoder=...)` and `lore` find it.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from lore_core import datasets
from lore_core.datasets import reward_heads, saved, vectors
from lore_core.datasets.corpus import Corpus
from lore_core.datasets.encoders import Encoder, encoder
from lore_core.datasets.store import Store
from lore_core.language_model.architecture import REWARD
from lore_core.language_model.decoder import KINDS
from lore_core.tools import command

DESCRIPTION = "Turn the texts of a data set into vectors. Each text is read once and then kept."
EXAMPLES = """
examples:
  python -m lore_core.embed people.csv --encoder minilm
  python -m lore_core.embed people.csv --column prompt=question --column chosen=better
  python -m lore_core.embed prism --encoder skywork --out prism.safetensors

Stop it when you like: the same command goes on where it was. Several GPUs, or machines that share
the folder of --cache, read at once, each its part; the command without --shard then finds it all:
  CUDA_VISIBLE_DEVICES=0 python -m lore_core.embed prism --encoder skywork --shard 1/2 &
  CUDA_VISIBLE_DEVICES=1 python -m lore_core.embed prism --encoder skywork --shard 2/2 &
"""
OPTIONS: dict[str, dict[str, Any]] = {
    "source": {
        "help": "a data set by its name, or a file of your own: .csv, .tsv, .jsonl, .json or "
        ".parquet",
    },
    "--encoder": {
        "metavar": "NAME",
        "default": "smollm2",
        "help": "smollm2 (default), minilm, skywork; a folder; or a name on the Hugging Face Hub: "
        "a sentence encoder, a language model or a reward model",
    },
    "--column": {
        "metavar": "NAME=COLUMN",
        "action": "append",
        "default": [],
        "help": "which column of your file is the user, prompt, chosen or rejected (default by its "
        "name)",
    },
    "--out": {
        "metavar": "FILE",
        "help": "also write the data set to one .safetensors file, to load on another machine",
    },
    "--shard": {
        "metavar": "I/N",
        "default": "1/1",
        "help": "read only part I of N, counted from 1",
    },
    "--layer": {
        "metavar": "L",
        "type": int,
        "help": "of a language model (default two thirds of them; of smollm2, 20 of 30)",
    },
    "--pooling": {
        "metavar": "WAY",
        "help": "over which tokens: mean, last, end or prompt of a language model (default mean); "
        "mean or cls of a sentence encoder (default as it says)",
    },
    "--window": {
        "metavar": "TOKENS",
        "type": int,
        "help": "longest text (default what the model can read)",
    },
    "--kind": {
        "choices": KINDS,
        "help": "of number (default float32; of a reward model on a GPU, bfloat16)",
    },
    "--batch": {
        "metavar": "TOKENS",
        "type": int,
        "help": "what is read at once; less if memory is short (of a sentence encoder, windows)",
    },
    "--revision": {"help": "commit, tag or branch on the Hub (default the newest)"},
    "--device": {"help": "where to compute, such as cpu or cuda:1 (default a GPU if there is one)"},
    "--cache": {
        "metavar": "FOLDER",
        "help": "where vectors are kept (default: what LORE_CACHE names; else build/cache)",
    },
}


def run(options: argparse.Namespace) -> None:
    """Read a data set as the command line says."""
    which, of = part(options.shard)
    if options.out and of > 1:
        raise ValueError("--out needs all vectors; give it without --shard when all parts are read")
    texts = corpus(options.source, pairs(options.column))
    print(f"{options.source}: {len(texts.responses):,} responses to {len(texts.prompts):,} prompts")
    chosen = encoder(
        options.encoder,
        layer=options.layer,
        pooling=options.pooling,
        window=options.window,
        kind=options.kind,
        budget=options.batch,
        revision=options.revision,
        device=options.device,
    )
    chats = vectors.share(texts.chats, which, of)
    told(vectors.read(chats, chosen, options.cache), len(chats))
    print(f"kept in {Store.of(chosen, options.cache).folder}")
    if chosen.what == REWARD:
        head = reward_heads.head_once(chosen, options.cache)
        print(f"the head: vector · head is the model's own logit, within {head.gap:.1g}")
    if options.out:
        write(Path(options.out), texts, chosen, options.cache)


def corpus(source: str, columns: dict[str, str]) -> Corpus:
    """A data set as text, by its name or from a file.

    Raises:
        ValueError: there is no such data set, or it has no text.
    """
    if source.lower().endswith(datasets.TABLES):
        table = import_module("lore_core.datasets.table")
        return table.read_table(source, **columns)
    modules = {name: import_module(f"lore_core.datasets.{name}") for name in datasets.known()}
    readers = {name: module.read for name, module in modules.items() if has_text(module)}
    if source not in readers:
        raise ValueError(
            f"{source!r} is no data set with text; expected one of {', '.join(readers) or 'none'}, "
            "or a file that ends in .csv, .tsv, .jsonl, .json or .parquet"
        )
    return readers[source]()


def has_text(module: ModuleType) -> bool:
    """Whether a data set's `read()` gives a Corpus."""
    function = getattr(module, "read", None)
    return callable(function) and signature(function).return_annotation in (Corpus, "Corpus")


def pairs(columns: Sequence[str]) -> dict[str, str]:
    """What the words `name=column` say."""
    for each in columns:
        if not all(each.partition("=")):
            raise ValueError(f"--column {each!r}: expected NAME=COLUMN, such as prompt=question")
    return dict(each.split("=", 1) for each in columns)


def part(shard: str) -> tuple[int, int]:
    """What `i/n` says: part i, counted from 1, of n."""
    which, _, of = shard.partition("/")
    if not (which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of)):
        raise ValueError(f"--shard {shard!r}: expected i/n with i from 1 to n, such as 2/4")
    return int(which), int(of)


def told(reading: vectors.Reading, n: int) -> None:
    """Say what was read, and how fast."""
    if not reading.n_new:
        print(f"nothing to read: all {n:,} texts were read before")
        return
    speed = reading.n_tokens / max(reading.seconds, 1e-9)
    print(
        f"read {reading.n_new:,} of {n:,} texts, {reading.n_tokens:,} tokens in "
        f"{reading.seconds:,.0f} s: {speed:,.0f} tokens per second"
    )


def write(path: Path, texts: Corpus, chosen: Encoder, cache: Path | str | None) -> None:
    """Write the data set as numbers, and a reward model's head beside it."""
    world = vectors.embedded(texts, chosen, cache, progress=False)
    saved.write(path, world.responses, world.preferences)
    print(f"wrote {path}: lore_core.datasets.load({str(path)!r}) reads it")
    if chosen.what == REWARD:
        beside = path.with_suffix(".head.safetensors")
        reward_heads.write(beside, reward_heads.head_once(chosen, cache), chosen)
        print(f"wrote {beside}: lore_core.datasets.reward_heads.read reads it")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    return command.parser("python -m lore_core.embed", DESCRIPTION, EXAMPLES, OPTIONS)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `run`; an error is one line, without a traceback."""
    command.main("embed", run, parser(), arguments)


if __name__ == "__main__":
    main()
