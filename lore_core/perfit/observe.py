"""How knowing a user moves the hidden states of a language model.

    v_i = mean over q queries of  h(profile_i + query) - h(query)          Δ = rows v_i

h is the residual state of a prompt's last token at some block.

Shapes: N users, L layers, d features, q queries of each user, k items of a profile.

Source: PerFit (ICLR 2026, OpenReview Lwn67fk9e1), its observation on the shifts of users, with more
controls than it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lore_core.language_model.decoder import Decoder
from lore_core.language_model.last_token import Layer, check_layers, read_last
from lore_core.perfit import prompts
from lore_core.perfit.profiles import Drawn, Rated, nearest, queries
from lore_core.tools import checks, draws

# own: of the user.  other: of another user.  random: as much random text, with neither items nor
# ratings.  shuffled: own's tokens in random order.  examples: items of many others, one of each, so
# that the task is shown and nobody in particular.
PROFILES = ("own", "other", "random", "shuffled", "examples")


@dataclass(frozen=True, eq=False)
class Shifts:
    """The mean shift of each user who has a profile.

    Args:
        value: (n, L, d) float32.
        user: (n,) whose each row is, ascending.
        partner: (n,) whose items "other" shows in the user's place.
        n_users: N.
    """

    value: Tensor
    user: Tensor
    partner: Tensor
    n_users: int

    @property
    def left_out(self) -> int:
        """How many users have no item to show, and so no row."""
        return self.n_users - len(self.user)


@dataclass(frozen=True, eq=False)
class Read:
    """States with a profile in the prompt and without, query by query.

    Args:
        alone, told: (n, q, L, d) float32, without and with.
        asked: (n, q) the items that are asked about, rows of the task.
        user, partner: (n,) as in `Shifts`.
    """

    alone: Tensor
    told: Tensor
    asked: Tensor
    user: Tensor
    partner: Tensor


def shifts(
    model: Any, tokenizer: Any, rated: Rated, layers: Sequence[Layer], *how: Any, **more: Any
) -> Shifts:
    """How a profile in the prompt moves the last token's state, averaged over each user's queries.

    Args:
        model, tokenizer, rated, layers, how, more: see `read`, and so its errors.
    """
    found = read(model, tokenizer, rated, layers, *how, **more)
    value = (found.told - found.alone).mean(1)
    return Shifts(value, found.user, found.partner, int((~rated.task.cold).sum()))


def read(
    model: Any,
    tokenizer: Any,
    rated: Rated,
    layers: Sequence[Layer],
    n_queries: int = 4,
    profile: str = "own",
    k: int = 3,
    budget: int = 160,
    half: int | None = None,
    seed: int = 0,
    cache: Path | str | None = None,
    progress: bool = True,
) -> Read:
    """The last token's states with a profile in the prompt, and without.

    Queries are the user's first test items. A profile shows the k history items nearest to the
    query ("examples" draws them); `prompts` says how it is cut to the budget. Users who come later
    are not read.

    Args:
        model, tokenizer: a Llama-like decoder, as `causal.load` gives them.
        rated: the task and its texts.
        layers: L of them: the number of a block, from 0, is the state that leaves it; "tail" the
            state that the last MLP reads. See `last_token.read_last`.
        n_queries: q.
        profile: one of PROFILES.
        k: items of a profile, at most.
        budget: tokens of a prompt, at most.
        half: 0 or 1 takes items from one random half of each history and other queries for each
            half, so the two share nothing but the person. Default the whole history.
        seed: of halves, partners and random tokens.
        cache: folder for what was read; an interrupted call goes on from there.
        progress: show tokens read, and per second.

    Raises:
        ValueError: there is no such layer, profile or half, the budget is beyond the model's window
            or too small, somebody has too few test items, or nobody has a profile.
    """
    checks.one_of("profile", profile, PROFILES)
    checks.whole_numbers(1, n_queries=n_queries)
    decoder = Decoder(tokenizer, model.base_model)
    check_layers(layers, decoder.n_layers)
    check_budget(budget, decoder.window)
    writer = prompts.Writer(tokenizer, rated, k, budget)
    generator = draws.generator(seed)
    who = Drawn.of(rated.task, half, generator)
    asked = queries(rated.task, who.user, n_queries, n_queries * (half or 0))
    alone = [writer.query(item) for item in asked.flatten().tolist()]
    shown = _profiles(writer, who, asked, profile, generator)
    told = [front + query for front, query in zip(shown, alone, strict=True)]
    found = [
        read_last([writer.head + ids for ids in some], decoder, layers, cache, progress)
        for some in (alone, told)
    ]
    states = [one.unflatten(0, asked.shape) for one in found]
    return Read(states[0], states[1], asked, who.user, who.partner)


def _profiles(
    writer: prompts.Writer, who: Drawn, asked: Tensor, profile: str, generator: torch.Generator
) -> list[list[int]]:
    """What stands before each query, user by user."""
    whose = who.partner if profile == "other" else who.user
    found = []
    for user, items in zip(whose.tolist(), asked.tolist(), strict=True):
        for query in items:
            if profile == "examples":
                shown = who.examples(user, writer.k, generator)
            else:
                shown = nearest(writer.rated, query, who.items[user], writer.k)
            found.append(writer.profile(shown.tolist()))
    if profile in ("own", "other", "examples"):
        return found
    made = writer.shuffled if profile == "shuffled" else writer.passage
    return [made(ids, generator) for ids in found]


def check_budget(budget: int, window: int) -> None:
    """Raise a ValueError if prompts would be longer than a model can read."""
    if checks.whole_number("budget", budget, at_least=1) > window:
        raise ValueError(
            f"budget is {budget} tokens, but the model reads {window} at once: up to "
            f"{budget - window} tokens would be cut, at the end of the query; give a budget of at "
            f"most {window}"
        )
