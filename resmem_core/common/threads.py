"""How many threads work is given."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def n_workers() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel(work: Callable[[T], R], items: Sequence[T]) -> Generator[R, None, None]:
    """Yield work(item) for each item, in their order, from all cores: for work that lets go of the interpreter.

    Closed early, it drops what has not begun, and waits for what has. Use it within `contextlib.closing`: a traceback
    keeps a generator that is merely left, and its threads, alive.
    """
    if len(items) < 2:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(n_workers())
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)


_count = threading.Lock()
_inside, _usual = 0, 1  # callers of `one_thread`, and how many threads torch takes outside it


@contextmanager
def one_thread(when: bool) -> Iterator[None]:
    """Take small steps on one thread: waiting for others costs more than they save, most on a busy machine.

    torch keeps that number for each thread and one for threads to come, which callers that overlap must not leave at 1.
    """
    import torch

    global _inside, _usual
    if not when:
        yield
        return
    with _count:
        if _inside == 0 and (now := torch.get_num_threads()) > 1:  # 1 may be what a new thread found meanwhile
            _usual = now
        _inside += 1
    torch.set_num_threads(1)
    try:
        yield
    finally:
        with _count:
            _inside -= 1
        torch.set_num_threads(_usual)
