"""A command line whose errors are one line each, without a traceback."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Options = Mapping[str, Mapping[str, Any]]
ERRORS = (ImportError, OSError, RuntimeError, ValueError, FloatingPointError)


def parser(prog: str, description: str, epilog: str, options: Options) -> argparse.ArgumentParser:
    """A command line.

    Args:
        prog, description, epilog: what `--help` shows.
        options: by name; several names of one option have a space between them.
    """
    found = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for names, settings in options.items():
        found.add_argument(*names.split(), **settings)
    return found


def main(
    name: str,
    run: Callable[[argparse.Namespace], object],
    words: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
) -> None:
    """Do what the command line says.

    Args:
        name: what an error's line begins with.
        run: does it.
        words: that are understood.
        arguments: default those that the program was called with.
    """
    try:
        run(words.parse_args(arguments))
    except KeyboardInterrupt:
        raise SystemExit(f"{name}: stopped; the same command goes on from here") from None
    except ERRORS as error:
        raise SystemExit(f"{name}: {' '.join(str(error).split())}") from error


def needed(options: argparse.Namespace, names: Sequence[str]) -> None:
    """Raise a ValueError unless each of some options was given."""
    lacking = [f"--{name}" for name in names if getattr(options, name) is None]
    if lacking:
        raise ValueError(f"{', '.join(lacking)} missing; `--help` says what they are")
