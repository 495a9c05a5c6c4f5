"""AlpacaEval as a sentence encoder reads it; otherwise `alpaca_eval`."""

from lore_core.datasets import alpaca_eval
from lore_core.responses import Responses


def load() -> Responses:
    """The 6,440 responses with embeddings of all-MiniLM-L6-v2, (M, 384)."""
    return alpaca_eval.load(encoder=alpaca_eval.MINILM)
