"""The command line of a build that reads a language model: what all of them understand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lore_core.datasets.build.alpaca_eval import CACHE, SUMS
from lore_core.datasets.build.texts import GENERATORS
from lore_core.tools import command

OPTIONS: command.Options = {
    "--source": {"help": "folder with the texts; without it they are downloaded"},
    "--model": {"help": "decoder's name or folder (default build/model)"},
    "--out": {"help": "file to write (default data/, for other models build/data/)"},
    "--cache": {"default": CACHE, "help": "folder for downloads and states"},
    "--sums": {"default": SUMS, "help": "checksum file of the texts"},
    "--generators": {"nargs": "+", "default": GENERATORS, "help": "models to take"},
}


def main(
    name: str,
    makes: str,
    build: Callable[..., object],
    arguments: Sequence[str] | None,
    more: command.Options | None = None,
) -> None:
    """Build what the command line says; an error is one line, without a traceback.

    Args:
        name: of the build's module.
        makes: what `--help` says.
        build: is called with all options by their names.
        arguments: default those that the program was called with.
        more: options that only this build has.
    """
    prog = f"python -m lore_core.datasets.build.{name}"
    words = command.parser(prog, makes, "", {**OPTIONS, **(more or {})})
    command.main(name, lambda options: print("wrote", build(**vars(options))), words, arguments)
