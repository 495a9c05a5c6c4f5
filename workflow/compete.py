"""One job of the full comparison: one method on one crowd, from its candidates to its result.

compete.py METHOD RULES OUT      the rules in JSON, a safetensors file to write
"""

import json
import sys

from lore_core.datasets import alpaca_eval
from lore_core.evaluation.benchmark import Result, Rules, compete
from lore_core.evaluation.ceilings import known_tastes, perfect_observer
from lore_core.methods.registry import LINE_UP

WITHOUT_LEARNING = {"known_tastes": known_tastes, "perfect": perfect_observer}


def result(method: str, rules: dict) -> Result:
    same_for_all = Rules(**rules | {"counts": tuple(rules["counts"])})
    study = same_for_all.study(alpaca_eval.load())
    if method in LINE_UP:
        return compete(LINE_UP[method], study, same_for_all)
    return WITHOUT_LEARNING[method](study, same_for_all)


if __name__ == "__main__":
    method, rules, out = sys.argv[1:]
    result(method, json.loads(rules)).save(out)
