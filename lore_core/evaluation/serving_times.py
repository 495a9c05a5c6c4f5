"""How long a switch of users takes, and an answer; by the clock."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch

from lore_core.evaluation.serving import Served
from lore_core.language_model.sampling import Speaker

TIMES = ["switch", "held switch", "check", "first token", "token"]


def times(many: Served, one: Served, run: int, prompt: int, tokens: int) -> dict[str, float]:
    """Milliseconds of everything, once; each run turns to the next user."""
    user = run % len(many.files)
    found = {"switch": milliseconds(lambda: one.read(user))}
    found["held switch"] = milliseconds(lambda: many.turn(user))
    found["check"] = milliseconds(one.check)
    with many.speaking() as net:
        first, *further = answer(net, prompt, tokens)
    return found | {"first token": first, "token": median(further)}


def answer(net: Any, prompt: int, tokens: int) -> Iterator[float]:
    """Milliseconds of each token of a greedy answer, the first with its prompt."""
    speaker, said = Speaker(net), torch.arange(prompt)[None] % net.config.vocab_size
    mask = torch.ones_like(said)
    for _ in range(1 + tokens):
        began = time.perf_counter()
        said = speaker.next(said, mask).argmax(1, keepdim=True).cpu()
        mask = torch.cat([mask, torch.ones_like(said)], 1)
        yield 1000 * (time.perf_counter() - began)


def milliseconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def machine() -> str:
    """On what it runs: the processor, and how many threads it may use."""
    kind, n = torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()
    return f"{platform.machine()} {kind}, {n} thread{'s' if n > 1 else ''}"
