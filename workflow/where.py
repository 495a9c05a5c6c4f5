"""Where in the small language model a shift helps; workflow/where.smk calls it.

where.py SOURCE LAYER FILE        every choice of tokens at one block
where.py --table FILE RESULT...   figures/where.csv, from the blocks' files

SOURCE is a folder with the texts, or the word public, as in style.py.
"""

import sys

import pandas as pd
from style import made

from lore_core.evaluation import small_tables, where_rows

if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "--table":
        found = pd.concat([pd.read_csv(path) for path in rest[1:]])
        small_tables.write(where_rows.table(found), rest[0])
    else:
        layer, file = rest
        small_tables.write(where_rows.items(made(what, int(layer))), file)
