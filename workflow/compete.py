"""One job of the full comparison: one method on one crowd, from its candidates to its result."""

import argparse
import json

from lore_core.datasets import alpaca_eval
from lore_core.evaluation.benchmark import Rules, compete
from lore_core.evaluation.ceilings import known_tastes, perfect_observer
from lore_core.methods.registry import LINE_UP

WITHOUT_LEARNING = {"known_tastes": known_tastes, "perfect": perfect_observer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=[*LINE_UP, *WITHOUT_LEARNING])
    parser.add_argument("rules", help="JSON: the fields of Rules")
    parser.add_argument("out", help="the safetensors file to write")
    options = parser.parse_args()
    rules = json.loads(options.rules)
    rules = Rules(**rules | {"counts": tuple(rules["counts"])})
    study = rules.study(alpaca_eval.load())
    if options.method in LINE_UP:
        result = compete(LINE_UP[options.method], study, rules)
    else:
        result = WITHOUT_LEARNING[options.method](study, rules)
    result.save(options.out)


if __name__ == "__main__":
    main()
