"""What an import brings along: a process that fits need not wait for what draws figures."""

import subprocess
import sys

import pytest

HEAVY = "IPython matplotlib pandas scipy seaborn sklearn torch._dynamo transformers".split()


@pytest.mark.parametrize(
    "names",
    [
        ["lore_core"],
        # what a fit on shipped data and its evaluation need
        [
            "lore_core.datasets.alpaca_eval",
            "lore_core.evaluation.bootstrap",
            "lore_core.evaluation.study",
            "lore_core.evaluation.synthetic",
            "lore_core.methods.registry",
            "lore_core.train",
        ],
    ],
)
def test_no_import_brings_along_what_only_figures_tables_or_language_models_need(names):
    code = f"import sys, {', '.join(names)}; print([m for m in {HEAVY} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
