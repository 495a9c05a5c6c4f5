"""A profile in the prompt of the small language model; workflow/where.smk calls it.

profiles.py SOURCE FILE PERSONS   figures/profiles.csv and figures/persons.csv

SOURCE is a folder with the texts, or the word public, as in style.py. What `make data` has read for
data/shifts.safetensors is not read again. An interrupted run goes on from where it was.
"""

import sys
from pathlib import Path

import pandas as pd
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
    source, file, persons = sys.argv[1:]
    texts = bring(None if source == PUBLIC else source, CACHE, SUMS, GENERATORS, progress=False)
    tail, cache = rating_states.load().tail("digits"), Path(CACHE) / "shifts"
    read = causal.load(FOLDER, device="cpu")
    rated, _ = shifts.told(texts, None, PANEL)
    more, _ = shifts.told(texts, None, profile_rows.LONG_PANEL)
    short = profile_rows.items(*read, rated, tail, shifts.LAYERS, cache)
    long = profile_rows.items(*read, more, tail, shifts.LAYERS, cache, profile_rows.LONG)
    small_tables.write(profile_rows.table(pd.concat([short, long])), file)
    small_tables.write(profile_rows.persons(*read, more, shifts.LAYERS, cache), persons)
