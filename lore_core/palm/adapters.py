"""A portfolio's folder: one adapter for each policy, and which weight each was made for.

    portfolio/
      policy_0/  policy_1/  ...     adapters, as peft saves them
      portfolio.json                weights, β, shift and scale of the rewards, names

Shapes: n policies, K rewards.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from lore_core.tools import checks
from lore_core.tools.files import whole

FILE = "portfolio.json"
KEYS = {"weights", "beta", "shift", "scale", "adapters"}


def adapter_name(j: int) -> str:
    """What policy j of a portfolio is called: its folder, and its adapter in a model's memory."""
    return f"policy_{checks.whole_number('the number of a policy', j, at_least=0)}"


def described(weights: Tensor, beta: float, shift: Tensor, scale: Tensor) -> dict[str, Any]:
    """What `portfolio.json` says.

    Args:
        weights: (n, K), one row for each policy, on the simplex.
        beta: price of KL.
        shift, scale: (K,) with which rewards were brought to [0, 1]: (values - shift) / scale.

    Raises:
        ValueError: a weight is off the simplex, shapes disagree, or beta is negative.
    """
    rows = checks.simplex_rows("weights", weights)
    about: dict[str, Any] = {"weights": rows.tolist(), "beta": checks.number("beta", beta)}
    for name, given in (("shift", shift), ("scale", scale)):
        column = checks.vector(name, given)
        if len(column) != rows.shape[1] or column.isnan().any():
            raise ValueError(
                f"{name} has {len(column)} numbers, expected one for each of the "
                f"{rows.shape[1]} rewards, and no NaN"
            )
        about[name] = column.tolist()
    return about | {"adapters": [adapter_name(j) for j in range(len(rows))]}


def write(folder: Path | str, about: dict[str, Any]) -> None:
    """Write what `described` says into a folder."""
    with whole(Path(folder) / FILE) as unfinished:
        unfinished.write_text(json.dumps(about, indent=1), encoding="utf-8")


def read(folder: Path | str) -> dict[str, Any]:
    """What a portfolio's folder says of itself.

    Raises:
        FileNotFoundError: it is not there, or an adapter is missing.
        ValueError: it is damaged.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; train a portfolio there first")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        missing = KEYS - about.keys()
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}); train the portfolio again") from error
    if missing:
        raise ValueError(f"{path} lacks {sorted(missing)}; train the portfolio again")
    for name in about["adapters"]:
        if not (Path(folder) / name).is_dir():
            raise FileNotFoundError(f"{folder} lacks the adapter {name}; train the portfolio again")
    return about
