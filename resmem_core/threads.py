"""How many threads torch takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread(when: bool) -> Iterator[None]:
    """Take small steps on one thread: waiting for others costs more than they save, most on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1 if when else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
