"""Chats as vectors: what an encoder has read once, in whatever data set, it does not read again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from lore_core.datasets.corpus import Corpus
from lore_core.datasets.encoders import SMOLLM2, Encoder
from lore_core.datasets.encoders import encoder as named
from lore_core.datasets.store import Store, digest
from lore_core.datasets.world import World
from lore_core.language_model.messages import Chat, checked, n_letters
from lore_core.language_model.states import standardised

SHARD = 512  # vectors that are written together, or
SECONDS = 60  # what was read in that time, whichever comes first
BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class Reading(NamedTuple):
    """What came of reading some chats.

    Args:
        vectors: (M, d) float32.
        n_new: texts that were read now; the others were kept, or say the same.
        n_tokens: tokens of those texts.
        seconds: how long that took, once the model was in memory.
    """

    vectors: Tensor
    n_new: int
    n_tokens: int
    seconds: float


def read_once(
    chats: Sequence[Chat],
    encoder: Encoder,
    cache: Path | str | None = None,
    progress: bool = True,
) -> Tensor:
    """The vector of each chat. Those that the encoder has read before come from the store.

    What is read is kept as it comes, so an interrupted call goes on where it was.

    Args:
        chats: M pairs of a prompt and its response, as `Corpus.chats` gives them.
        encoder: what reads them.
        cache: folder that holds the store; default `lore_core.tools.paths.cache()`.
        progress: show a bar, with tokens per second.

    Returns:
        (M, d) float32, as the encoder gives them; `Encoder.standardise` says what to do with them.

    Raises:
        ValueError: a prompt or a response is no text, and the message names its row; or the encoder
            makes infinite numbers of it.
        OSError: the encoder's model cannot be had.
    """
    return read(chats, encoder, cache, progress).vectors


def read(
    chats: Sequence[Chat],
    encoder: Encoder,
    cache: Path | str | None = None,
    progress: bool = True,
) -> Reading:
    """`read_once`, with how much was read and how fast."""
    digests = [digest(said) for said in checked(chats)]
    rows = {key: row for row, key in enumerate(dict.fromkeys(digests))}
    table = torch.zeros(len(rows), encoder.n_features)
    store = Store.of(encoder, cache)
    chat_of = dict(zip(digests, chats, strict=True))
    new = {key: chat_of[key] for key in store.fill(table, rows)}
    with closing(Progress(encoder.name, list(new.values()), progress)) as bar:
        if new:  # else the model is not even loaded
            read_new(new, encoder, store, bar)
    store.fill(table, {key: rows[key] for key in new})
    order = torch.tensor([rows[key] for key in digests], dtype=torch.long)
    return Reading(table[order], len(new), bar.tokens, bar.seconds)


def embedded(
    corpus: Corpus,
    encoder: Encoder | Path | str = SMOLLM2,
    cache: Path | str | None = None,
    progress: bool = True,
    scale: Tensor | None = None,
) -> World:
    """A data set as numbers: each response read once by an encoder, with its prompt.

    A language model keeps features that are far larger than the others. Each is measured in its own
    standard deviation over the rows, and `about["scale"]` of the world keeps means and deviations.

    Args:
        corpus: the texts.
        encoder: what reads them, or its name, see `encoders.encoder`.
        cache, progress: as in `read_once`.
        scale: (2, d), the `about["scale"]` of another world: of the one that a reward was fitted
            on, if these texts are to be scored by it.

    Raises:
        ImportError, OSError: the encoder cannot be had.
        ValueError: it cannot read a text.
    """
    reader = named(encoder) if isinstance(encoder, str | Path) else encoder
    rows = read_once(corpus.chats, reader, cache, progress)
    if not reader.standardise:
        return corpus.world(rows, **reader.about)
    if scale is None:
        inside, scale = standardised(rows)
    else:
        inside = (rows.double() - scale[0]) / scale[1]
    return corpus.world(inside.float(), **reader.about, scale=scale)


def share(chats: Sequence[Chat], which: int, of: int) -> list[Chat]:
    """The chats that one of several machines reads, by what they say.

    Args:
        chats: all of them.
        which: the machine's number, from 1.
        of: how many machines there are.
    """
    numbers = [int.from_bytes(digest(said)[:8], "big") for said in checked(chats)]
    return [chat for chat, number in zip(chats, numbers, strict=True) if number % of == which - 1]


def read_new(chats: dict[bytes, Chat], encoder: Encoder, store: Store, bar: Progress) -> None:
    """Read chats, given with their digests, into the store."""
    keys = list(chats)
    encoder.ready()
    bar.begin()
    with closing(Shard(store)) as shard:
        for rows, vectors, n_tokens in encoder.read(list(chats.values())):
            shard.add([keys[row] for row in rows], vectors)
            bar.add(rows, n_tokens)


class Shard:
    """What was read and is not written yet. Closing writes it, after an error too."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.digests: list[bytes] = []
        self.vectors: list[Tensor] = []
        self.since = monotonic()

    def add(self, digests: list[bytes], vectors: Tensor) -> None:
        """Take vectors; write them if there are enough, or the last time is long ago."""
        self.digests += digests
        self.vectors.append(vectors)
        if len(self.digests) >= SHARD or monotonic() - self.since > SECONDS:
            self.close()

    def close(self) -> None:
        """Write what there is."""
        if self.digests:
            self.store.add(self.digests, torch.cat(self.vectors))
        self.clear()


class Progress:
    """How far the reading is, by letters, since tokens are known only once they are read."""

    def __init__(self, name: str, chats: Sequence[Chat], shown: bool) -> None:
        self.letters = [n_letters(chat) for chat in chats]
        self.tokens = 0
        self.texts = 0
        self.begin()
        hidden: dict[str, Any] = (
            {} if shown and chats else {"disable": True}
        )  # else TQDM_DISABLE decides
        self.bar = tqdm(total=sum(self.letters), desc=name, bar_format=BAR, **hidden)

    def begin(self) -> None:
        """The model is in memory; now the seconds count."""
        self.start = self.last = monotonic()

    def add(self, rows: list[int], n_tokens: int) -> None:
        """Some texts are read."""
        self.tokens += n_tokens
        self.texts += len(rows)
        self.last = monotonic()
        speed = self.tokens / max(self.seconds, 1e-9)
        told = f"{self.texts:,} of {len(self.letters):,} texts, {speed:,.0f} tokens per second"
        self.bar.set_postfix_str(told, refresh=False)
        self.bar.update(sum(self.letters[row] for row in rows))

    @property
    def seconds(self) -> float:
        """From the beginning to the last text that was read."""
        return self.last - self.start

    def close(self) -> None:
        """Leave the bar as it stands."""
        self.bar.close()
