"""LaMP's files of outputs, and what all its files have in common: records with an id.

Source: LaMP (arXiv 2304.11406).
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lore_core.tasks.lamp_tasks import task_of
from lore_core.tools.files import whole


def read_outputs(path: Path | str, task: str | None = None) -> dict[str, str]:
    """The outputs of a file, by the id of their question: wanted ones, or predictions.

    Args:
        path: of `{"task": ..., "golds": [{"id": ..., "output": ...}]}`.
        task: whose they should be; None where it does not matter.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, of another task, or has an id twice.
    """
    path = Path(path)
    content = loaded(path)
    golds = content.get("golds") if isinstance(content, dict) else None
    if not isinstance(golds, list):
        raise ValueError(f'{path} has no list "golds"; give a file of outputs')
    theirs = str(content.get("task")).replace("-", "_")
    # Both tasks of tags are called LaMP_2 in their files, after the version of LaMP.
    if task and theirs not in (task_of(task).name, task_of(task).name.removesuffix("N")):
        raise ValueError(f"{path} is of the task {theirs}, expected {task_of(task).name}")
    ids = [str(field(path, gold, "id")) for gold in golds]
    once(path, ids)
    return {id: str(field(path, gold, "output")) for id, gold in zip(ids, golds, strict=True)}


def write_predictions(path: Path | str, task: str, outputs: Mapping[str, str]) -> None:
    """Write outputs as LaMP's evaluation reads them; whole or not at all.

    Args:
        path: the file.
        task: such as "LaMP_3".
        outputs: {id of the question: output}.

    Raises:
        ValueError: there is no such task, or no output.
    """
    if not outputs:
        raise ValueError("there are no outputs to write; give one for each question")
    golds = [{"id": str(id), "output": str(output)} for id, output in outputs.items()]
    content = {"task": task_of(task).name.removesuffix("N"), "golds": golds}
    with whole(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def records(path: Path) -> list:
    """The list that a file holds."""
    content = loaded(path)
    if not isinstance(content, list) or not content:
        raise ValueError(f"{path} holds no list of questions; give a file of questions")
    return content


def loaded(path: Path) -> Any:
    """What a file of JSON holds."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # also bytes that are no text
        raise ValueError(f"{path} is damaged ({error}); download it again") from error


def field(where: object, record: Any, name: str) -> Any:
    """A field of a record, or a ValueError that says which record lacks it."""
    if not isinstance(record, dict) or record.get(name) is None:
        has = f"has {', '.join(map(str, record))}" if isinstance(record, dict) else f"is {record!r}"
        raise ValueError(f"{where}: a record lacks {name!r}; it {has[:200]}")
    return record[name]


def once(path: Path, ids: list[str]) -> None:
    """Raise a ValueError if an id comes twice."""
    twice = [id for id, count in Counter(ids).items() if count > 1]
    if twice:
        raise ValueError(f"{path}: the id {twice[0]} comes twice ({len(twice)} ids do)")
