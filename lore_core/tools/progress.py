"""How far a long piece of work is: a bar on stderr, once it has taken a second.

    with progress.silent():          # no bars inside; TQDM_DISABLE=1 hides them everywhere
        fit_basis(...)

Work that is done within a second shows nothing, and pays nothing: tqdm is not even imported. A bar
vanishes when the work ends. A terminal sees it move. A file or a pipe gets a line after a second
and then one in `LOG` seconds, so that the log of a long run says how far it came and no more. A
notebook would keep for good what is written to stderr, so that there a bar has to be asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from tqdm import tqdm

DELAY = 1.0  # seconds, within which most work is done
TERMINAL = 0.1  # seconds between two looks at a bar
LOG = 30.0
OFTEN = {True: TERMINAL, False: LOG}

wanted: ContextVar[bool | None] = ContextVar("wanted", default=None)


@contextmanager
def silent() -> Iterator[None]:
    """Show no bars inside this block."""
    with asked(False):
        yield


@contextmanager
def shown() -> Iterator[None]:
    """Show bars inside this block, in a notebook too; TQDM_DISABLE hides them all the same."""
    with asked(True):
        yield


@contextmanager
def asked(answer: bool) -> Iterator[None]:
    """Bars inside this block are wanted, or not."""
    before = wanted.set(answer)
    try:
        yield
    finally:
        wanted.reset(before)


def hidden() -> bool:
    """Whether bars are not to be shown here."""
    answer = wanted.get()
    if os.environ.get("TQDM_DISABLE") or answer is False or sys.stderr is None:
        return True
    notebook = type(sys.stderr).__module__.startswith("ipykernel.")
    return notebook and answer is None


class Bar:
    """One piece of work, as long as it lasts.

    Args:
        name: what is done.
        total: steps; None if nobody knows.
        unit: what a step is.
        counts: what is counted per second beside them.
        done: steps that were taken before.
    """

    def __init__(
        self,
        name: str = "",
        total: int | None = None,
        unit: str = "step",
        counts: str = "pairs",
        done: int = 0,
    ):
        self.unit, self.counts = unit, counts
        self.hidden = hidden()
        self.bar: tqdm | None = None
        self.began = time()
        self.due = self.began + DELAY
        self.counted: int | Tensor = 0
        self.last: dict[str, Any] = {}
        self.begin(name, total, done)

    def begin(self, name: str, total: int | None, done: int = 0) -> None:
        """Begin the next part of the work; arguments as of the bar."""
        self.name, self.total, self.done = name, total, done
        self.first, self.since = done, time()
        self.last = {}

    def step(self, counted: int | Tensor = 0, n: int = 1, **last: Any) -> None:
        """Steps that were taken.

        Args:
            counted: pairs, or what else is counted, that they went through.
            n: how many.
            last: losses as they stand; they become numbers only if they are shown.
        """
        self.done += n
        self.count(counted, **last)

    def count(self, counted: int | Tensor, **last: Any) -> None:
        """Pairs that were gone through within a step; arguments as of `step`."""
        self.counted += counted
        self.last |= last
        self.look()

    def look(self) -> None:
        """Show the bar, if it is time."""
        if not self.hidden and time() >= self.due:
            self.show()

    def show(self) -> None:
        """Show the bar as it stands."""
        if self.bar is None:
            from tqdm import tqdm

            # With a delay it prints nothing before it knows where it stands.
            self.bar = tqdm(unit=self.unit, leave=False, disable=False, file=sys.stderr, delay=1)
            self.bar.delay = 0
        bar = self.bar
        bar.desc, bar.total, bar.n, bar.initial = (
            f"{self.name}: ",
            self.total,
            self.done,
            self.first,
        )
        bar.start_t = self.since  # tqdm's own clock began when it was first shown
        bar.set_postfix_str(self.said(), refresh=False)
        bar.refresh()
        self.due = time() + OFTEN[sys.stderr.isatty()]

    def said(self) -> str:
        """Losses, and pairs per second."""
        words = [f"{kind}={float(loss):.4g}" for kind, loss in self.last.items()]
        if self.counted:
            from tqdm import tqdm

            speed = float(self.counted) / max(time() - self.began, 1e-9)
            words.append(f"{tqdm.format_sizeof(speed)} {self.counts}/s")
        return ", ".join(words)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
