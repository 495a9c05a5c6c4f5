"""What a switch of users and an answer cost on the small model; workflow/where.smk calls it.

serving.py FILE   figures/serving.csv

The times are of this machine and of one core; nothing compares them with another's.
"""

import sys
import tempfile
from pathlib import Path

import torch

from lore_core.evaluation import serving_rows, small_tables
from lore_core.language_model import causal
from lore_core.language_model.weights import FOLDER

if __name__ == "__main__":
    [file] = sys.argv[1:]
    torch.set_num_threads(1)
    net, _ = causal.load(FOLDER, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        found = serving_rows.table(serving_rows.ways(net, Path(folder)))
    small_tables.write(found, file)
