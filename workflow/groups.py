"""PROPER and its rivals: one family on one task and seed, and the table of all.

groups.py RESULT             trains a family; RESULT is named by task, family and seed, such as
                             build/neighbours/groups/rating/posterior/200.csv
groups.py --table FILE FOLDER  writes the table of all results in a folder to a CSV file
groups.py --gate FILE        writes what ridge regressions find: the gate before anything is trained
"""

import sys
from pathlib import Path

import torch

from lore_core.evaluation import group_rows, small_tables


def results(folder: Path) -> dict[str, list[Path]]:
    """Task -> the files of each seed."""
    return {task: sorted((folder / task).glob("*/*.csv")) for task in group_rows.TASKS}


if __name__ == "__main__":
    torch.set_num_threads(1)
    option, *rest = sys.argv[1:]
    if option == "--table":
        small_tables.write(group_rows.table(group_rows.gathered(Path(rest[1]))), rest[0])
    elif option == "--gate":
        small_tables.write(group_rows.gate(), rest[0])
    else:
        path = Path(option)
        task, family, seed = path.parts[-3], path.parts[-2], int(path.stem)
        given = group_rows.given(task, seed)
        small_tables.write(group_rows.per_user(given, family, seed), path)
