"""The command lore_core.train on several processes, without the start-up of each.

One server imports torch, and every process is a fork of it.
"""

import multiprocessing
import os
import socket
import sys
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
# Dynamo is imported by the first optimiser that is made.
CONTEXT.set_forkserver_preload(["lore_core.train", "torch._dynamo"])


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(n, folder, target, *arguments):
    """`target(*arguments)` on n processes, which say what they say into files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {"WORLD_SIZE": n, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    found = []
    for rank in range(n):
        own = {**names, "RANK": rank, "LOCAL_RANK": rank}
        own = {name: str(value) for name, value in own.items()}
        found.append(CONTEXT.Process(target=inside, args=(own, folder, target, arguments)))
        found[-1].start()
    return found


def inside(environment, folder, target, arguments):
    """What a process does."""
    os.environ.update(environment)
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        path = folder / f"{name}-{environment['RANK']}"
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream.fileno())
    import torch

    torch.set_num_threads(1)
    target(*arguments)


def command(arguments):
    """The command line."""
    from lore_core import train

    train.main([str(word) for word in arguments])


def ended(processes, seconds=60):
    """Wait for all; their exit codes."""
    for process in processes:
        process.join(seconds)
    hang = [process for process in processes if process.exitcode is None]
    for process in hang:
        process.kill()
    assert not hang, "some hang"
    return [process.exitcode for process in processes]


def said(folder, n, name="err"):
    """What each process said."""
    return [Path(folder / f"{name}-{rank}").read_text() for rank in range(n)]
