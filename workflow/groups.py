"""PROPER and its rivals: one family on one task and seed, and the tables of all.

groups.py TASK FAMILY SEED FILE          trains one family, and writes everybody's errors
groups.py --table FILE RESULT...         figures/proper.csv, from the families' files
groups.py --experts SEED FILE            more and fewer experts, on ratings
groups.py --experts-table FILE RESULT... figures/experts.csv, from the seeds' files
groups.py --gate FILE                    figures/headroom.csv: what ridge regressions find before
                                         anything is trained
"""

import sys
from pathlib import Path

import pandas as pd
import torch

from lore_core.evaluation import bands, gate, group_experts, group_rows, small_tables, worlds


def by_seed(results: list[str]) -> dict[str, list[pd.DataFrame]]:
    """Task -> all families' rows of each seed, from files named .../task/family/seed.csv."""
    seeds: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for path in map(Path, results):
        seeds.setdefault((path.parts[-3], path.stem), []).append(pd.read_csv(path))
    tables: dict[str, list[pd.DataFrame]] = {}
    for (task, _), frames in seeds.items():
        tables.setdefault(task, []).append(pd.concat(frames))
    return tables


if __name__ == "__main__":
    torch.set_num_threads(1)  # two jobs at a time are quicker than one with two threads
    what, *rest = sys.argv[1:]
    if what == "--table":
        small_tables.write(bands.table(by_seed(rest[1:]), group_rows.BASELINE), rest[0])
    elif what == "--experts":
        small_tables.write(group_experts.rows(int(rest[0])), rest[1])
    elif what == "--experts-table":
        seeds = [pd.read_csv(path) for path in rest[1:]]
        small_tables.write(group_experts.table(seeds), rest[0])
    elif what == "--gate":
        small_tables.write(gate.rows(), rest[0])
    else:
        family, seed, file = rest[0].replace("_", " "), int(rest[1]), rest[2]
        given = worlds.given(what, seed)
        small_tables.write(group_rows.per_user(given, family, seed), file)
