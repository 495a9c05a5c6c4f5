"""PerFit and its rivals: one family on one task and seed, and the table of all.

shifts.py TASK FAMILY SEED FILE   trains one family, and writes everybody's errors
shifts.py --table FILE RESULT...  figures/perfit.csv, from the families' files
shifts.py --ranks FILE            figures/shift_ranks.csv: how many directions hold shifts
shifts.py --trial NAME FILE       one setting of PerFit on validation items
shifts.py --trials FILE RESULT... figures/trials.csv, from the trials' files
"""

import sys

import pandas as pd
import torch
from groups import by_seed

from lore_core.evaluation import bands, shift_ranks, shift_rows, small_tables, trial_rows, worlds

if __name__ == "__main__":
    torch.set_num_threads(1)  # two jobs at a time are quicker than one with two threads
    what, *rest = sys.argv[1:]
    if what == "--table":
        small_tables.write(bands.table(by_seed(rest[1:]), shift_rows.BASELINE), rest[0])
    elif what == "--ranks":
        small_tables.write(shift_ranks.table(), rest[0])
    elif what == "--trial":
        on = {task: [worlds.given(task, s) for s in worlds.THROWN_AWAY] for task in worlds.TASKS}
        small_tables.write(trial_rows.table(on, rest[0].replace("_", " ")), rest[1])
    elif what == "--trials":
        small_tables.write(pd.concat(map(pd.read_csv, rest[1:])), rest[0])
    else:
        family, seed, file = rest[0].replace("_", " "), int(rest[1]), rest[2]
        rows = shift_rows.per_user(worlds.given(what, seed), family, seed)
        small_tables.write(rows, file)
