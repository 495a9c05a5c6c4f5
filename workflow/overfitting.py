"""Compute the map of overfitting, and write it to figures/overfitting.csv (or to another file).

overfitting.py [FILE]
"""

import sys
from dataclasses import replace

from lore_core.datasets import alpaca_eval
from lore_core.evaluation import overfitting

if __name__ == "__main__":
    responses = alpaca_eval.load()
    single = replace(responses, embeddings=responses.embeddings.float())  # as published
    overfitting.write(overfitting.Map().table(single), *sys.argv[1:])
