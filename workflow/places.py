"""Numbers where they lie: in a table, in what a figure shows, in what a cell printed.

A place names a file and, if need be, where in it:

    {file: figures/04_blocks.json, key: [blocks]}
    {file: figures/table_1.csv, row: {concentration: 0.1}, by: [method, users]}
    {file: notebooks/00_start_here.ipynb, text: "{responses} responses, {features} numbers each"}

Each gives a tree: of branches by name, whose leaves are numbers or text. The rows of a table are
branches by what they have in the columns of `by`; each has the other columns as its leaves. A text
is looked up in the stored outputs of a notebook, or in any other file of text; its names in braces
stand for the numbers there.
"""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import prose

FIELDS = {"file", "key", "row", "by", "text"}


def read(place: dict[str, Any], root: Path) -> Any:
    """The tree at a place. An error says what the file lacks."""
    if "file" not in place or place.keys() - FIELDS:
        raise ValueError(f"{place} is no place, expected file and some of {sorted(FIELDS)}")
    path = root / place["file"]
    if not path.is_file():
        raise ValueError(f"there is no file {place['file']}")
    if "text" in place:
        return from_text(path, place["text"])
    if path.suffix == ".csv":
        return from_table(path, place.get("row", {}), place.get("by", []))
    return from_json(path, place.get("key", []))


def from_json(path: Path, keys: list[Any]) -> Any:
    tree = json.loads(path.read_text(encoding="utf-8"))
    for key in keys:
        tree = step(tree, key)
    return tree


def step(tree: Any, key: Any) -> Any:
    """One branch of a tree, or one of its leaves."""
    if isinstance(tree, list):
        tree = {str(number): branch for number, branch in enumerate(tree)}
    if not isinstance(tree, dict):
        raise ValueError(f"{key!r} is sought in {tree!r}, which has no branches")
    if str(key) not in tree:
        raise ValueError(f"{str(key)!r} is not among {', '.join(map(repr, tree))}")
    return tree[str(key)]


def from_table(path: Path, row: dict[str, Any], by: list[str]) -> Any:
    table = pd.read_csv(path)
    missing = {*row, *by} - set(table)
    if missing:
        raise ValueError(f"{path.name} has no columns {sorted(missing)}, but {list(table)}")
    for column, wanted in row.items():
        table = table[table[column] == wanted]
    return branches(table, by, f"{path.name}, {row}")


def branches(table: pd.DataFrame, by: list[str], where: str) -> Any:
    """One row is its columns; more of them have to differ in the columns of `by`."""
    if by:
        groups = table.groupby(by[0], sort=False)
        return {str(key): branches(rows, by[1:], f"{where}, {key}") for key, rows in groups}
    if len(table) != 1:
        raise ValueError(f"{where}: {len(table)} rows, expected one; name more columns")
    return {column: table[column].item() for column in table}


def from_text(path: Path, words: str) -> dict[str, float]:
    """The numbers where the words have names in braces. All of it has to stand there once."""
    escaped = re.escape(prose.plain(words))
    name = re.compile(r"\\{(\w+)\\}")
    pattern = name.sub(lambda found: rf"(?P<{found[1]}>{prose.NUMBER.pattern})", escaped)
    texts = map(prose.plain, prose.output(path))
    found = [match for text in texts for match in re.finditer(rf"(?<!\w){pattern}", text)]
    if len(found) != 1:
        raise ValueError(f"{words!r} stands {len(found)} times in {path.name}, expected once")
    return {name: prose.number(text).value for name, text in found[0].groupdict().items()}
