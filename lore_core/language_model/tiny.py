"""A tiny Llama with a reward head and random weights: a real reward model in all but its training.

Nothing is downloaded. The network is transformers' own, so what is wrong or right about reading a
large one can be shown on it.

Shapes: n texts, t tokens, d features.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import TqdmWarning

from lore_core.tools import checks, draws, extra

TOKEN = re.compile(r"<\|\w+\|>|\w+|[^\w ]")  # a special token, a word, or a sign
BATCH = 32  # texts per forward pass: their states fit into a cache
SPREAD = 0.02  # standard deviation of weights, as an untrained Llama has it


@dataclass(frozen=True, eq=False)
class TinyLlama:
    """A reward model, and the words that it knows.

    Args:
        net: transformers' LlamaForSequenceClassification with one label.
        vocabulary: word or sign -> its token.
    """

    net: Any
    vocabulary: dict[str, int]

    @classmethod
    def drawn(cls, texts: Sequence[str], width: int, generator: torch.Generator) -> TinyLlama:
        """A model of one block with random weights, which knows the words of some texts.

        Args:
            texts: in which every word occurs that it will read.
            width: d.
            generator: source of the weights.

        Raises:
            ImportError: transformers is missing.
            ValueError: width is out of range.
        """
        checks.whole_number("width", width, at_least=1)
        words = sorted({word for text in texts for word in TOKEN.findall(text)})
        net = network(len(words) + 1, width)
        with torch.no_grad():
            for weight in net.parameters():
                if weight.ndim > 1:  # the others belong to normalisations, and are 1
                    weight.copy_(SPREAD * draws.normal(generator, *weight.shape))
        return cls(net, {word: token for token, word in enumerate(words, start=1)})

    @property
    def head(self) -> Tensor:
        """The reward head, (d,): a text's reward is its state · head."""
        return self.net.score.weight[0]

    def tokens(self, text: str) -> Tensor:
        """The tokens of a text, (t,).

        Raises:
            ValueError: it has no word, or one that the model does not know.
        """
        found = TOKEN.findall(text)
        unknown = [word for word in found if word not in self.vocabulary]
        if unknown or not found:
            raise ValueError(
                f"{text[:60]!r} has {len(found)} words and signs, of which the model does not know "
                f"{unknown[:3]}; give such texts to TinyLlama.drawn"
            )
        return torch.tensor([self.vocabulary[word] for word in found])

    @torch.no_grad()
    def states(self, texts: Sequence[str]) -> Tensor:
        """What the reward head reads: the last hidden state of each text's last token, (n, d).

        Args:
            texts: n strings, read as they stand; a chat template is the caller's.
        """
        tokens = [self.tokens(text) for text in texts]
        lengths = torch.tensor([len(one) for one in tokens])
        states = torch.empty(len(tokens), self.net.config.hidden_size)
        for rows in lengths.argsort(stable=True).split(BATCH):  # texts of one length together
            some = pad_sequence([tokens[row] for row in rows.tolist()], batch_first=True)
            # The padding stands on the right, where no token looks.
            hidden = self.net.model(some, use_cache=False).last_hidden_state
            states[rows] = hidden[torch.arange(len(rows)), lengths[rows] - 1]
        return states

    @torch.no_grad()
    def rewards(self, texts: Sequence[str]) -> Tensor:
        """The model's own reward of each text, (n,); read one by one, without padding.

        Args:
            texts: n strings.
        """
        return torch.cat([self.net(self.tokens(text)[None]).logits[0] for text in texts])


def network(n_tokens: int, width: int) -> Any:
    """A Llama of one block with a reward head; the weights are still to be drawn."""
    sizes = {
        "vocab_size": n_tokens,
        "hidden_size": width,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "head_dim": 64,
        "intermediate_size": 64,
    }
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # of bars that nobody draws here
        transformers = extra.needed("transformers", "a tiny Llama")
        config = transformers.LlamaConfig(**sizes, num_labels=1, pad_token_id=0)
        net = transformers.LlamaForSequenceClassification(config)
    return net.eval().requires_grad_(False)
