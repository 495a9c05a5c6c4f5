"""Who does the jobs: this process, more processes of this machine, or a Dask cluster.

A job is a function without arguments that may be done twice; what it returns is small. All three
yield results as they come. Whoever is killed, the jobs that are done stay done.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from threading import Thread
from typing import Any

import torch

from lore_core.tools import checks, extra

Jobs = Sequence[Callable[[], Any]]
PATIENCE = 30  # seconds until a cluster has to answer


def engine(jobs: Jobs, workers: int = 1, cluster: str | None = None) -> Iterator[Any]:
    """What the jobs return, in no order.

    Args:
        jobs: to be done.
        workers: processes of this machine; with one, no other is started.
        cluster: address of a Dask scheduler, such as tcp://10.0.0.1:8786.

    Raises:
        ValueError: workers is below 1, or both workers and a cluster are asked for.
        RuntimeError: a worker died; what was done stays.
        OSError: no cluster answers.
        ImportError: a cluster is asked for, and `distributed` is not installed.
        whatever a job raises.
    """
    check_engine(workers, cluster)
    if cluster is not None:
        return remote(jobs, cluster)
    return local(jobs, workers) if workers > 1 else (job() for job in jobs)


def check_engine(workers: int, cluster: str | None) -> None:
    """Raise a ValueError unless `engine` takes these."""
    checks.whole_number("workers", workers, at_least=1)
    if cluster is not None and workers > 1:
        raise ValueError(f"workers is {workers}, but the cluster {cluster} has its own; give one")


def local(jobs: Jobs, workers: int) -> Iterator[Any]:
    """Jobs done by processes of this machine, which share its cores."""
    threads = max(1, torch.get_num_threads() // workers)
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=begin, initargs=(threads,)
    )
    try:
        for done in as_completed([pool.submit(called, job) for job in jobs]):
            yield done.result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a worker process was killed, perhaps for lack of memory: take fewer workers. What is "
            "done stays; the same command goes on from here"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def begin(threads: int) -> None:
    """In a new worker: its share of the cores, and an end when its parent has ended."""
    torch.set_num_threads(threads)
    Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the parent's end, which a killed one announces to nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def remote(jobs: Jobs, address: str) -> Iterator[Any]:
    """Jobs done by the workers of a Dask cluster, which gives those of a dead worker to another."""
    dask = extra.needed("distributed", "a cluster", "scale")
    try:
        client = dask.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise OSError(
            f"no Dask scheduler answers at {address!r} ({error}); start one with `dask scheduler` "
            "and workers with `dask worker ADDRESS`, and give its address, tcp://HOST:PORT"
        ) from error
    with client:
        futures = client.map(called, jobs, pure=False)
        try:
            for done in dask.as_completed(futures, loop=client.loop):
                yield done.result()
        except dask.KilledWorker as error:
            raise RuntimeError(
                f"one job killed several workers, perhaps for lack of memory ({error}). What is "
                "done stays; the same command goes on from here"
            ) from error
        finally:
            client.cancel(futures)


def called(job: Callable[[], Any]) -> Any:
    """What a job returns."""
    return job()
