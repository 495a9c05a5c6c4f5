"""The figure of lesson 2 on what an embedding knows of the traits. It is nobody's model: grey."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lore_core.evaluation.bootstrap import Interval
from lore_core.plotting import label, plots
from lore_core.tools.palette import GREY

FAINT = "#AFAFAF"  # a second grey, light enough to be told from the first


def decodability(
    layers: Mapping[str, Mapping[int, Interval]],
    sentence: Interval,
    chosen: int,
    traits: Mapping[str, Mapping[str, float]],
) -> Figure:
    """How much of the traits the layers of a language model tell, and two encoders trait by trait.

    Args:
        layers: pooling -> layer -> R² within prompts, mean over the traits. First the pooling that
            was chosen; the second one is dotted, the third one dashed.
        sentence: the same of a sentence encoder, which has one embedding only.
        chosen: the layer that was chosen.
        traits: trait -> encoder -> R² within prompts, first that of the sentence encoder.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), width_ratios=[1.15, 1])
    first, second = next(iter(traits.values()))
    by_layer(left, layers, chosen)
    left.axhspan(sentence.low, sentence.high, color=FAINT, alpha=0.25, lw=0)
    left.axhline(sentence.mean, color=FAINT, lw=2)
    label.ends(left, {first: sentence.mean}, {first: FAINT})
    by_trait(right, traits, {first: FAINT, second: GREY})
    return fig


def by_layer(ax: Axes, layers: Mapping[str, Mapping[int, Interval]], chosen: int) -> None:
    """A curve for each pooling, and a dotted line at the chosen layer.

    The curves may meet at their ends, so that a legend names them.
    """
    plots.curves(ax, layers, dict.fromkeys(layers, GREY), dashed=list(layers)[2:])
    plt.setp(ax.lines, marker="")  # thirty layers are dense enough, and dashes stay dashes
    plt.setp(ax.lines[1:2], ls=":")
    ax.legend(ax.lines, list(layers), loc="lower left")
    ax.axvline(chosen, color=FAINT, lw=1)
    ax.text(chosen - 0.4, 0.02, f"layer {chosen}", size=10, color=GREY, ha="right")
    ax.set(xlabel="layer", ylabel="R² within prompts, mean of the traits", ylim=(0, None))
    ax.set_title("Which layer, which tokens?")


def by_trait(ax: Axes, traits: Mapping[str, Mapping[str, float]], colours: dict[str, str]) -> None:
    """One row per trait, one mark per encoder; the first trait is on top."""
    rows = range(len(traits))
    for row, shares in zip(rows, traits.values(), strict=True):
        ax.plot(list(shares.values()), [row, row], color=FAINT, lw=1)
    for encoder, colour in colours.items():
        told = [shares[encoder] for shares in traits.values()]
        ax.plot(told, rows, "o", color=colour, ms=8, label=encoder)
    ax.set_yticks(rows, list(traits))
    ax.set_ylim(len(traits) - 0.5, -0.5)
    ax.set(xlabel="R² within prompts", xlim=(min(0, ax.get_xlim()[0]), 1))
    ax.set_title("Trait by trait")
    ax.legend(loc="lower right")
