"""LaMP's questions, with their users' profiles and the wanted outputs.

Two layouts are read. LaMP's own has `train_questions.json`, `train_outputs.json`, and the same for
`dev` and `test`; each question is a user. The one of per-user tuning has `user_others.json`,
`user_top_100_history.json` and its labels; each record is a user with several queries.

Source: LaMP (arXiv 2304.11406); OPPU (arXiv 2402.04401) and PerFit for the second layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lore_core.tasks.lamp_files import field, once, read_outputs, records
from lore_core.tasks.lamp_tasks import LampTask, task_of
from lore_core.tools import checks

PARTS = ("train", "dev", "test")
OTHERS, TOP, LABELS = (
    "user_others.json",
    "user_top_100_history.json",
    "user_top_100_history_label.json",
)
Item = Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """One question to one user.

    Args:
        id: of the question.
        user: whose profile it is.
        input: what is asked.
        profile: the user's earlier items; each maps the names of its fields to text.
        gold: the wanted output; None where the files keep it back.
    """

    id: str
    user: str
    input: str
    profile: tuple[Item, ...]
    gold: str | None = None


def read(folder: Path | str, task: str, part: str = "dev") -> list[Question]:
    """A part of a task in LaMP's own layout.

    Args:
        folder: where the files lie; or folder/LaMP_3, folder/dev, folder/LaMP_3/dev.
        task: such as "LaMP_3".
        part: "train", "dev" or "test". Without a file of outputs, questions have no gold.

    Raises:
        FileNotFoundError: there are no questions.
        ValueError: a file is damaged, a field is missing, an id comes twice, or questions and
            outputs have not the same ids.
    """
    checks.one_of("part", part, PARTS)
    kind = task_of(task)
    path = found(Path(folder), kind, part)
    outputs = path.with_name(f"{part}_outputs.json")
    golds = read_outputs(outputs, kind.name) if outputs.is_file() else None
    asked = [question(kind, path, record, record) for record in records(path)]
    return with_golds(asked, golds, path)


def read_users(folder: Path | str, task: str) -> tuple[list[Question], list[Question]]:
    """A task in the layout of per-user tuning.

    Args:
        folder: with the three files.
        task: such as "LaMP_3".

    Returns:
        The questions of all other users, and those of the users with most history.

    Raises:
        FileNotFoundError: one of the three is missing; says which, and names all.
        ValueError: as in `read`.
    """
    kind, folder = task_of(task), Path(folder)
    lacking = [name for name in (OTHERS, TOP, LABELS) if not (folder / name).is_file()]
    if lacking:
        raise FileNotFoundError(
            f"{folder} lacks {', '.join(lacking)}; expected the three files {OTHERS}, {TOP} and "
            f"{LABELS}"
        )
    others, top = (queries(kind, folder / name) for name in (OTHERS, TOP))
    return with_golds(others, None, folder / OTHERS), with_golds(
        top, read_outputs(folder / LABELS), folder / TOP
    )


def queries(kind: LampTask, path: Path) -> list[Question]:
    """All queries of all users of a file, in its order; a user without an id goes by a number."""
    return [
        question(kind, path, {"user_id": f"user {row}"} | record, query)
        for row, record in enumerate(records(path))
        for query in field(path, record, "query")
    ]


def question(kind: LampTask, path: Path, record: Any, query: Any) -> Question:
    """A query of a user's record, checked; a record without a user's id is a user of its own."""
    profile = field(path, record, "profile")
    gold = query.get("gold", query.get("output")) if isinstance(query, dict) else None
    id = str(field(path, query, "id"))
    where = f"{path}, question {id}"
    return Question(
        id=id,
        user=str(record.get("user_id", id)),
        input=str(field(where, query, "input")),
        profile=tuple(item_of(kind, where, item) for item in profile),
        gold=None if gold is None else str(gold),
    )


def item_of(kind: LampTask, where: str, item: Any) -> Item:
    """An item of a profile as text, with its date if it has one."""
    named = {name: str(field(f"{where}, its profile", item, name)) for name in kind.fields}
    return named | ({"date": str(item["date"])} if item.get("date") else {})


def with_golds(asked: list[Question], golds: dict[str, str] | None, path: Path) -> list[Question]:
    """The questions with their wanted outputs, whose ids have to be the same."""
    once(path, [one.id for one in asked])
    if golds is None:
        return asked
    lacking = [one.id for one in asked if one.id not in golds]
    beyond = sorted(golds.keys() - {one.id for one in asked})
    if lacking or beyond:
        raise ValueError(
            f"{path} and its outputs differ: {len(lacking)} questions have no output "
            f"({', '.join(lacking[:3])}), {len(beyond)} outputs no question "
            f"({', '.join(beyond[:3])}); give both files of one part and one version"
        )
    return [replace(one, gold=golds[one.id]) for one in asked]


def found(folder: Path, kind: LampTask, part: str) -> Path:
    """The file of a part's questions, in the folder or where LaMP's own downloads put it."""
    hyphen = kind.name.replace("_", "-")
    tops = [folder, folder / kind.name, folder / hyphen]
    paths = [top / below / f"{part}_questions.json" for top in tops for below in ("", part)]
    here = next((path for path in paths if path.is_file()), None)
    if here is None:
        raise FileNotFoundError(
            f"there is no {part}_questions.json in {folder}, nor in {kind.name} or {part} below "
            "it; https://lamp-benchmark.github.io/download has the files"
        )
    return here
