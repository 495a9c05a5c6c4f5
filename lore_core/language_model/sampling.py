"""Drawing responses token by token, many at a time.

Whatever says how likely each next token is can speak: a model (`Speaker`), or a mixture of several
(`mixed.Mixture`). One uniform number is drawn for each token that a response may have, before
anything is read; so a response does not depend on which others are drawn beside it.

Shapes: n responses, t tokens, v entries of the vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from lore_core.language_model.batches import portions
from lore_core.language_model.causal import heads, window
from lore_core.language_model.messages import Prompt
from lore_core.tools import checks, draws

ROWS = 64  # responses that are drawn at a time
LENGTH = 256  # tokens of a response, at most


class Sample(NamedTuple):
    """A response that a model gave.

    Args:
        text: what it said.
        ended: whether it ended its turn; else it was cut at the largest number of tokens.
    """

    text: str
    ended: bool


class Speaks(Protocol):
    """What says how likely each next token is, and remembers what it has read."""

    def next(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Log-probabilities of the next token, (n, v).

        Args:
            ids: (n, t) tokens that it has not read yet.
            mask: (n, t') 1 for each token so far, these included, and 0 for padding on the left.
        """


class Speaker:
    """A decoder with its head while it speaks; each token is read once."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.kept: Any = None
        takes = inspect.signature(model.forward).parameters
        self.last = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}

    @torch.no_grad()
    def next(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Log-probabilities of the next token, (n, v), see `Speaks`."""
        device = self.model.device
        places = (mask.cumsum(1) - 1).clamp_min(0)[:, -ids.shape[1] :]  # padding takes no place
        found = self.model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            position_ids=places.to(device),
            past_key_values=self.kept,
            use_cache=True,
            **self.last,
        )
        self.kept = found.past_key_values
        return found.logits[:, -1].float().log_softmax(-1)


def samples(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    n: int,
    generator: torch.Generator,
    n_tokens: int = LENGTH,
    temperature: float = 1.0,
    rows: int = ROWS,
    speaker: Callable[[], Speaks] | None = None,
) -> list[list[Sample]]:
    """n responses to each prompt, drawn from what a model finds likely.

    Args:
        model: a decoder with its head.
        tokenizer: the model's, with a chat template.
        prompts: p questions, or chats so far.
        n: responses to each.
        generator: source of the draws.
        n_tokens: tokens of a response, at most; a longer one is cut.
        temperature: log-probabilities are divided by it; 1 draws from the model's own.
        rows: responses that are drawn at a time.
        speaker: makes what speaks in the model's place; default the model itself.

    Returns:
        p lists of n samples.

    Raises:
        ValueError: a number is below 1, there is no prompt, or a prompt leaves no room for the
            response in the model's window.
    """
    checks.whole_numbers(1, n=n, n_tokens=n_tokens, rows=rows)
    temperature = checks.number("temperature", temperature, above=True)
    said = [head for head in heads(tokenizer, prompts) for _ in range(n)]
    check_room(model, said, n_tokens)
    chance = draws.uniform(generator, len(said), n_tokens)
    ends = end_tokens(model, tokenizer)
    found: dict[int, Sample] = {}
    for places in portions([len(head) for head in said], rows):
        fresh = Speaker(model) if speaker is None else speaker()
        mine = [said[place] for place in places]
        tokens = speak(fresh, mine, chance[places], ends, temperature)
        found |= zip(places, (sample(tokenizer, each, ends) for each in tokens), strict=True)
    return [[found[p * n + i] for i in range(n)] for p in range(len(prompts))]


def speak(
    speaker: Speaks,
    prompts: list[list[int]],
    chance: Tensor,
    ends: Tensor,
    temperature: float = 1.0,
) -> list[list[int]]:
    """Continue some prompts until all have ended, or the draws are used up.

    Args:
        speaker: says how likely each next token is.
        prompts: n lists of tokens.
        chance: (n, t) uniform draws.
        ends: tokens that end a turn.
        temperature: as in `samples`.

    Returns:
        n lists of tokens; what stands behind an end means nothing.
    """
    ids, mask = left_padded(prompts)
    done = torch.zeros(len(prompts), dtype=torch.bool)
    tokens = []
    for draw in chance.T:
        drawn = picked((speaker.next(ids, mask) / temperature).softmax(-1), draw)
        tokens.append(drawn)
        done |= torch.isin(drawn, ends)
        if done.all():
            break
        ids = drawn[:, None]
        mask = torch.cat([mask, torch.ones_like(ids)], 1)
    return torch.stack(tokens, 1).tolist()


def picked(probabilities: Tensor, chance: Tensor) -> Tensor:
    """In each row the entry at which the sum of probabilities passes a uniform draw.

    Args:
        probabilities: (n, c), in sum about 1.
        chance: (n,) draws from [0, 1).

    Returns:
        (n,) on the CPU.
    """
    sums = probabilities.cpu().double().cumsum(1)
    # A draw below 1 times a sum stays below it, so nothing of probability 0 behind it is reached.
    return torch.searchsorted(sums, chance[:, None] * sums[:, -1:], right=True)[:, 0]


def left_padded(prompts: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """Tokens of prompts with all their ends in the last column, (n, t), and what is no padding."""
    size = max(map(len, prompts))
    ids = torch.tensor([[0] * (size - len(prompt)) + prompt for prompt in prompts])
    mask = [[0] * (size - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return ids, torch.tensor(mask)


def sample(tokenizer: Any, tokens: list[int], ends: Tensor) -> Sample:
    """What some tokens say, up to the first that ends a turn."""
    stops = torch.isin(torch.tensor(tokens), ends).nonzero().flatten().tolist()
    stop = stops[0] if stops else len(tokens)
    return Sample(tokenizer.decode(tokens[:stop], skip_special_tokens=True), bool(stops))


def end_tokens(model: Any, tokenizer: Any) -> Tensor:
    """The tokens that end a turn: the tokenizer's, and those that the model was saved with."""
    saved = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    more = saved if isinstance(saved, list) else [saved]
    known = {token for token in (tokenizer.eos_token_id, *more) if token is not None}
    if not known:
        raise ValueError("neither tokenizer nor model says which token ends a turn")
    return torch.tensor(sorted(known))


def check_room(model: Any, prompts: Sequence[list[int]], n_tokens: int) -> None:
    """Raise a ValueError unless the longest prompt leaves room for its response."""
    longest = max(map(len, prompts))
    if longest + n_tokens > window(model):
        raise ValueError(
            f"a prompt of {longest} tokens and a response of {n_tokens} do not fit into the "
            f"model's window of {window(model)} tokens; shorten the prompt, or lower n_tokens"
        )
