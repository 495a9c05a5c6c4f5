"""The figure of lesson 2 on what an embedding knows of the traits."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import label, plots
from lore_core.tools.palette import BLUE, GREY, ORANGE, SKY

POOLED = {"mean": BLUE, "last": SKY, "end": ORANGE}


def decodability(
    layers: dict[str, dict[int, Interval]],
    sentence: float,
    chosen: int,
    traits: dict[str, dict[str, Interval]],
    names: dict[str, str],
) -> Figure:
    """How much of the traits each layer tells, and each trait from two encoders.

    Args:
        layers: pooling -> layer -> R² within prompts, mean over traits.
        sentence: the same from the sentence encoder.
        chosen: the layer that was chosen.
        traits: trait -> encoder -> R² within prompts; first the sentence encoder.
        names: what the figure calls each pooling.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), width_ratios=[1.2, 1])
    plots.curves(left, layers, POOLED)
    left.axhline(sentence, color=GREY, ls=":", lw=1.5)
    left.axvline(chosen, color=GREY, ls=":", lw=1)
    left.set(xlabel="layer", ylabel="R² within prompts, mean of ten traits", ylim=(0, None))
    left.set_title("Which layer, which tokens?")
    last = {names[pooling]: line[max(line)].mean for pooling, line in layers.items()}
    colours = {names[pooling]: POOLED[pooling] for pooling in layers}
    label.ends(left, last | {"sentence encoder": sentence}, colours | {"sentence encoder": GREY})
    encoders = list(next(iter(traits.values())))
    plots.points(right, traits, dict(zip(encoders, (GREY, BLUE), strict=True)))
    right.set(xlabel="R² within prompts", xlim=(None, 1))
    right.set_title("What each encoder knows of a trait")
    return fig
