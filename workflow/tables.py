"""The tables of the full comparison, from the results of its jobs, all under figures/.

table_1.csv     accuracy on unseen prompts of seen and of unseen users, and LoRe's lead
few_shot.csv    accuracy of unseen users by number of shots
best_of_n.csv   true utility of the best of n, and the control: another user's shots
"""

import argparse
import json
from pathlib import Path

import pandas as pd
import torch

from lore_core.evaluation import tables
from lore_core.evaluation.benchmark import Result
from lore_core.evaluation.bootstrap import bootstrap, lead, share
from lore_core.methods.registry import NAMES
from lore_core.tools import draws

Crowd = dict[str, Result]


def draw() -> torch.Generator:
    """The same resamples for every number: no method's depend on which others were run."""
    return draws.generator(0)


def named(prefix: str, numbers) -> dict:
    """The fields of an interval as columns."""
    return {f"{prefix}{field}": value for field, value in numbers._asdict().items()}


def table_1(crowd: Crowd, rules: dict) -> list[dict]:
    """One row per method for seen users, and one for unseen users."""
    at = rules["counts"].index(rules["shots"])
    pairs = {"seen": rules["n_pairs"], "unseen": rules["shots"]}
    accuracy = {m: {"seen": r.seen, "unseen": r.curve[at].mean(0)} for m, r in crowd.items()}
    return [
        {"method": NAMES[method], "users": users, "pairs": pairs[users], "n_users": len(values)}
        | named("", bootstrap(values, draw()))
        | named("lore_ahead_", lead(accuracy["lore"][users], values, draw()))
        | {key: crowd[method].about[key] for key in ("parameters", "chosen")}
        for method, both in accuracy.items()
        for users, values in both.items()
    ]


def few_shot(crowd: Crowd, rules: dict) -> list[dict]:
    """One row per method and number of shots."""
    return [
        {"method": NAMES[method], "shots": shots}
        | named("", bootstrap(values.mean(0), draw()))
        | {"sd_over_repeats": float(values.mean(1).std())}
        for method, result in crowd.items()
        for shots, values in zip(rules["counts"], result.curve, strict=True)
    ]


def best_of_n(crowd: Crowd, rules: dict) -> list[dict]:
    """One row per method; the share is of what a perfect observer gains over Bradley–Terry."""
    common, best = crowd["bradley_terry"].utility, crowd["perfect"].utility
    return [
        {"method": NAMES[method], "shots": rules["shots"]}
        | named("utility_", bootstrap(result.utility, draw()))
        | named("share_", share(result.utility - common, best - common, draw()))
        | named("another_users_", bootstrap(result.control, draw()))
        for method, result in crowd.items()
        if method != "perfect"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="JSON: what profiles/full.yaml says")
    parser.add_argument("results", nargs="+", type=Path, help="CONCENTRATION/METHOD.safetensors")
    options = parser.parse_args()
    config, crowds = json.loads(options.config), {}
    for path in options.results:
        crowds.setdefault(path.parent.name, {})[path.stem] = Result.load(path)
    made = {
        make.__name__: pd.DataFrame(
            {"concentration": float(concentration)} | row
            for concentration, crowd in crowds.items()
            for row in make(crowd, config)
        )
        for make in (table_1, few_shot, best_of_n)
    }
    tables.write(made, config["out"])


if __name__ == "__main__":
    main()
