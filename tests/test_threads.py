import os

import pytest
import torch

from resmem_core.threads import n_workers, one_thread


def test_workers_are_the_cores_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert n_workers() == 3


@pytest.mark.parametrize(("cores", "expected"), [(6, 6), (None, 1)])
def test_workers_where_affinity_is_unknown(monkeypatch, cores, expected):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert n_workers() == expected


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(("when", "inside"), [(True, 1), (False, 3)])
def test_one_thread_only_inside_and_when_asked_for(when, inside):
    with one_thread(when):
        assert torch.get_num_threads() == inside
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_threads_are_given_back_by_what_fails():
    with pytest.raises(ZeroDivisionError), one_thread(True):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 3
