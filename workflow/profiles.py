"""A profile in the prompt of the small language model; workflow/where.smk calls it.

profiles.py SOURCE FILE   figures/profiles.csv

SOURCE is a folder with the texts, or the word public, as in style.py. What `make data` has read for
data/shifts.safetensors is not read again.
"""

import sys
from pathlib import Path

from style import PUBLIC

from lore_core.datasets import rating_states
from lore_core.datasets.build import shifts
from lore_core.datasets.build.alpaca_eval import CACHE, SUMS
from lore_core.datasets.build.texts import GENERATORS, bring
from lore_core.datasets.shifts import PANEL
from lore_core.evaluation import profile_rows, small_tables
from lore_core.language_model import causal
from lore_core.language_model.weights import FOLDER

if __name__ == "__main__":
    source, file = sys.argv[1:]
    texts = bring(None if source == PUBLIC else source, CACHE, SUMS, GENERATORS, progress=False)
    rated, _ = shifts.told(texts, None, PANEL)
    tail, cache = rating_states.load().tail("digits"), Path(CACHE) / "shifts"
    read = causal.load(FOLDER, device="cpu")
    found = profile_rows.items(*read, rated, tail, shifts.LAYERS, cache)
    small_tables.write(profile_rows.table(found), file)
