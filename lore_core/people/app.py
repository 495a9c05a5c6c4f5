"""The command `lore`: from a table of who preferred what to a report, and to new rewards."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

app = typer.Typer(
    help="Does personalising pay for your people? Reads a table of user, prompt, chosen, rejected.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Table = Annotated[Path, typer.Argument(help="CSV, TSV, JSONL, JSON or Parquet.")]
ModelFile = Annotated[Path, typer.Argument(help="The model.safetensors of `lore fit`.")]
Named = Annotated[
    list[str],
    typer.Option("--column", "-c", help="role=column, such as user=worker; otherwise guessed."),
]
Folder = Annotated[
    Path | None, typer.Option("--encoder", help="the encoder's folder, if it was one in the fit.")
]
EncoderName = Annotated[
    str, typer.Option(help="smollm2, minilm, a folder, or a name on the Hugging Face Hub.")
]


@app.command(epilog="Example: lore fit people.csv --out report/ --encoder minilm")
def fit(
    source: Annotated[
        Path, typer.Argument(help="a table, or a data set by its name: electricity.")
    ],
    out: Annotated[Path, typer.Option(help="folder of the report.")] = Path("report"),
    encoder: EncoderName = "smollm2",
    column: Named = [],  # noqa: B006 - typer copies it
    splits: Annotated[int, typer.Option(min=1, help="how often people are split anew.")] = 5,
) -> None:
    """Does personalising pay, for whom, and what do they like? Writes a page, tables, a model."""
    from lore_core.datasets import people  # these bring torch: not for --help
    from lore_core.people import facts, fit

    world = people(str(source), encoder, say=typer.echo, **roles(column))
    described, audited = facts.described(world), facts.audited(world)
    typer.echo(described.to_string(index=False))
    found = fit.study(world, described, audited, tuple(range(splits)), typer.echo)
    page = fit.kept(out, found)
    typer.echo(f"personalising {'pays' if found.findings.pays else 'does not pay'}: {page}")


@app.command(epilog="Example: lore audit people.csv")
def audit(table: Table, column: Named = []) -> None:  # noqa: B006
    """What should be looked at before anything is learned from these pairs. Reads text only."""
    from lore_core.datasets.table import read_table
    from lore_core.people import facts

    world = facts.unread(read_table(table, say=typer.echo, **roles(column)))
    typer.echo(facts.described(world).to_string(index=False))
    found = facts.audited(world)
    typer.echo(found.to_string(index=False) if len(found) else "nothing odd was found")


@app.command(epilog="Example: lore adapt report/model.safetensors new.csv --out more.safetensors")
def adapt(
    model: ModelFile,
    table: Table,
    out: Annotated[Path, typer.Option(help="file of the model with the new people.")],
    column: Named = [],  # noqa: B006
    encoder: Folder = None,
) -> None:
    """Take new people into a model, from a few pairs of each; what is shared stays as it is."""
    from lore_core.datasets.table import read_table
    from lore_core.people import Scorer

    scorer = Scorer.load(model, encoder)
    world = scorer.embedded(read_table(table, say=typer.echo, **roles(column)))
    larger = scorer.adapt(world.responses, world.preferences)
    larger.save(out)
    typer.echo(f"{len(scorer.users)} people and {len(larger.users) - len(scorer.users)} new: {out}")


@app.command(epilog="Example: lore score report/model.safetensors new.csv --out scores.csv")
def score(
    model: ModelFile,
    table: Annotated[Path, typer.Argument(help="columns prompt, response and, if known, user.")],
    out: Annotated[Path, typer.Option(help="the same table with a column reward.")],
    encoder: Folder = None,
) -> None:
    """What each response is worth to its user, or to somebody unknown where no user is named."""
    from lore_core.datasets.own import files
    from lore_core.people.scorer import NOBODY, Scorer
    from lore_core.tools.files import whole

    frame = files.frame(table)
    missing = {"prompt", "response"} - set(frame.columns)
    if missing:
        raise ValueError(f"{table} lacks the columns {sorted(missing)}; rename yours")
    users = frame.user if "user" in frame else pd.Series(NOBODY, index=frame.index)
    rewards = Scorer.load(model, encoder).scores(frame.assign(user=users.astype(str)))
    with whole(out) as path:
        frame.assign(reward=rewards.tolist()).to_csv(path, index=False)
    typer.echo(f"{len(frame)} rewards: {out}")


def roles(named: list[str]) -> dict[str, Any]:
    """`["user=worker"]` as {"user": "worker"}."""
    pairs = [each.split("=", 1) for each in named]
    wrong = [each for each, pair in zip(named, pairs, strict=True) if len(pair) != 2]
    if wrong:
        raise ValueError(f"--column {wrong[0]!r} is unclear, expected role=column: user=worker")
    return {role.strip(): column.strip() for role, column in pairs}


def main() -> None:
    """Run the command; what went wrong is one line, without a traceback, and exit code 1."""
    try:
        app(standalone_mode=True)
    except (ImportError, OSError, ValueError) as error:
        typer.echo(f"lore: {error}", err=True)
        sys.exit(1)
