"""Portfolios in full, setting by setting, and the ladder; each run writes one CSV file.

portfolio.py SETTING FILE            one setting of figures/portfolio.csv
portfolio.py --ladder FILE           figures/ladder.csv
portfolio.py --table FILE PIECE...   figures/portfolio.csv, from the settings' files, each named by
                                     its setting
"""

import sys
from pathlib import Path

import pandas as pd

from lore_core.datasets import alpaca_eval
from lore_core.evaluation import portfolio_rows, small_tables


def joined(pieces: list[str]) -> pd.DataFrame:
    """The settings' rows under each other."""
    tables = {Path(piece).stem: pd.read_csv(piece) for piece in pieces}
    return pd.concat(tables, names=["setting", None]).reset_index(level=0)


if __name__ == "__main__":
    what, file, *pieces = sys.argv[1:]
    if what == "--table":
        small_tables.write(joined(pieces), file)
    elif what == "--ladder":
        small_tables.write(portfolio_rows.ladder(alpaca_eval.load()), file)
    else:
        responses = alpaca_eval.load()
        setting = portfolio_rows.settings(responses)[what]
        small_tables.write(portfolio_rows.measured(responses, setting), file)
