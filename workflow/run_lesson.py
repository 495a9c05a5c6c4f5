"""Execute one lesson: the copy goes to build/, and if all is well a receipt beside it."""

import os
import sys
import time

import papermill as pm
import receipts
from papermill.exceptions import PapermillExecutionError


def say(state: str, lesson: str, what: str = "") -> None:
    print(f"  {state:<9} {lesson:<32} {what}".rstrip(), flush=True)


def reason(error: Exception) -> str:
    """One line: which cell, and what Python said."""
    if isinstance(error, PapermillExecutionError):
        return f"cell {error.exec_count}: {error.ename}: {error.evalue}".splitlines()[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]


def execute(lesson: str) -> None:
    os.environ["LORE_OUT"] = str(receipts.BUILD)  # the kernel inherits it
    receipts.BUILD.mkdir(parents=True, exist_ok=True)
    pm.execute_notebook(
        receipts.ROOT / "notebooks" / f"{lesson}.ipynb",
        receipts.executed(lesson),
        cwd=receipts.ROOT / "notebooks",
        kernel_name="python3",
        progress_bar=False,
        execution_timeout=900,  # seconds a cell may take
    )


def main(lesson: str) -> int:
    say("started", lesson)
    start = time.time()
    try:
        execute(lesson)
    except Exception as error:  # whatever it is, the reader gets one line and the others go on
        copy = receipts.executed(lesson)
        say(
            "failed", lesson, f"{reason(error)} (as far as it came: {copy.parent.name}/{copy.name})"
        )
        return 1
    seconds = time.time() - start
    figures = receipts.figures_since(lesson, start)
    receipts.write(lesson, seconds, figures)
    say("finished", lesson, f"{seconds:5.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
