"""Ways through exact search, and what becomes of long work that is cancelled."""

import threading
from contextlib import contextmanager

import pytest
import torch

from resmem_core.common.errors import Cancelled
from resmem_core.memory import blocks, dense_sweep, scoring, support
from resmem_core.memory.indexes import exact

EXACT = {  # from how many distances on the compiled loops are used, and up to how many numbers memory is kept placed
    "compiled": (0, 10**18),
    "by blocks": (0, 0),
    "torch": (10**18, 0),
}


@pytest.fixture(params=EXACT)
def exact_engine(request, monkeypatch):
    """Let exact search go through both engines, and a memory that is placed anew for every few queries."""
    for name, value in zip(("LARGE", "KEPT"), EXACT[request.param], strict=True):
        monkeypatch.setattr(exact, name, value)


@pytest.fixture
def set_budget(monkeypatch):
    """Return a function that sets how many bytes of working memory judging may take."""

    def set_to(size):
        for module in dense_sweep, scoring, support:
            monkeypatch.setattr(module, "BUDGET", size)

    return set_to


@pytest.fixture
def cancelled():
    """Return a context in which a progress callback cancels once something (of a stage) is done; nothing may run on."""

    @contextmanager
    def ending(stage=None):
        def cancel(step):
            if step.done and stage in (None, step.stage):
                raise Cancelled("enough")

        before, n_threads = set(threading.enumerate()), torch.get_num_threads()
        with pytest.raises(Cancelled, match="enough") as raised:
            yield cancel
        assert raised.tb is not None  # which keeps alive what is merely left, not closed
        assert set(threading.enumerate()) <= before
        assert torch.get_num_threads() == n_threads
        assert not torch.is_inference_mode_enabled()

    return ending


@pytest.fixture
def begun(monkeypatch):
    """Return the list of the blocks that were begun, each when the one before was done."""
    items_begun = []

    def one_by_one(work, items):
        for item in items:
            items_begun.append(item)
            yield work(item)

    monkeypatch.setattr(blocks, "in_parallel", one_by_one)
    return items_begun
