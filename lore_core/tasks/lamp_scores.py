"""How LaMP scores answers to a task."""

from collections.abc import Mapping

from lore_core.tasks.lamp_tasks import STARS, TAGS, task_of
from lore_core.tasks.metrics import accuracy, macro_f1, mae, read_number, rmse
from lore_core.tasks.rouge import rouge


def scores(task: str, given: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, float]:
    """The scores of a task, as means over its questions.

    Args:
        task: such as "LaMP_3".
        given: {id: output}.
        wanted: {id: output}, of the same ids.

    Returns:
        {"accuracy", "macro F1"}, {"MAE", "RMSE"} or {"ROUGE-1", "ROUGE-L"}.

    Raises:
        ValueError: the ids differ, or there are none.
    """
    kind = task_of(task)
    if given.keys() != wanted.keys() or not wanted:
        apart = sorted(given.keys() ^ wanted.keys())
        raise ValueError(
            f"outputs of {len(given)} questions for {len(wanted)}, ids that only one side has: "
            f"{apart[:3]}; expected one output for each question, and at least one"
        )
    answers = [given[id].strip() for id in wanted]
    truth = [output.strip() for output in wanted.values()]
    if kind.scores == STARS:
        stars, right = ([read_number(text) for text in side] for side in (answers, truth))
        return {"MAE": mae(stars, right), "RMSE": rmse(stars, right)}
    if kind.scores == TAGS:
        f1 = macro_f1(answers, truth, kind.labels)
        return {"accuracy": accuracy(answers, truth), "macro F1": f1}
    found = rouge(answers, truth)
    return {"ROUGE-1": float(found["rouge1"].mean()), "ROUGE-L": float(found["rougeL"].mean())}
