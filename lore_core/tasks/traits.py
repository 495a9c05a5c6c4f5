"""The traits that the synthetic users of these tasks care about."""

from torch import Tensor

from lore_core.responses import Responses
from lore_core.tools import checks

# Marked decodable in data/README.md, and told by the state of a response's last token too. `judge`
# is one model's verdict, not a property of the text; `plain_words` is decodable only just.
DECODABLE = ("brevity", "lists", "emphasis", "paragraphs", "vocabulary", "caution", "figures")


def decodable(responses: Responses) -> Tensor:
    """The decodable traits of each response, (M, 7) float64, each with mean 0 and sd 1.

    Raises:
        ValueError: these responses have no such traits, or one is the same everywhere.
    """
    checks.instance_of("responses", responses, Responses)
    missing = [name for name in DECODABLE if name not in responses.trait_names]
    if missing:
        raise ValueError(
            f"the responses have no trait {', '.join(missing)}; these tasks need those of "
            "lore_core.datasets.alpaca_eval"
        )
    columns = [responses.trait_names.index(name) for name in DECODABLE]
    traits = responses.known_traits[:, columns].double().cpu()
    spread = traits.std(0, correction=0)
    if not (spread > 0).all():
        name = DECODABLE[int((spread == 0).nonzero()[0])]
        raise ValueError(f"the trait {name} is the same for all responses; give more responses")
    return (traits - traits.mean(0)) / spread
