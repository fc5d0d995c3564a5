import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
import torch

from resmem_core.common import threads
from resmem_core.common.threads import in_parallel, n_workers, one_thread


def test_workers_are_the_cores_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert n_workers() == 3
    monkeypatch.delattr(os, "sched_getaffinity")  # it is unknown elsewhere
    for cores, expected in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert n_workers() == expected


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("when", "inside"), [(True, 1), (False, 3)])
def test_one_thread_only_inside_and_when_asked_for_even_if_it_fails(when, inside, three_threads):
    with suppress(ZeroDivisionError), one_thread(when):
        assert torch.get_num_threads() == inside
        raise ZeroDivisionError
    assert torch.get_num_threads() == 3


def test_callers_that_overlap_do_not_leave_it_at_1(three_threads):
    began, go_on = threading.Event(), threading.Event()

    def late():
        with one_thread(True):
            began.set()
            assert go_on.wait(10)

    with ThreadPoolExecutor() as pool:
        with one_thread(True):
            other = pool.submit(late)
            assert began.wait(10)
        go_on.set()
        other.result()
    with ThreadPoolExecutor() as newcomers:
        assert newcomers.submit(torch.get_num_threads).result() == 3


@pytest.fixture
def two_workers(monkeypatch):
    monkeypatch.setattr(threads, "n_workers", lambda: 2)


def test_answers_come_in_the_order_of_the_items(two_workers):
    second_is_done = threading.Event()

    def work(item):
        if item == 0:
            assert second_is_done.wait(10)
        second_is_done.set()
        return 10 * item

    assert list(in_parallel(work, range(50))) == list(range(0, 500, 10))


def test_items_are_worked_on_at_the_same_time(two_workers):
    meeting = threading.Barrier(2, timeout=10)  # broken unless two threads are inside at once
    assert len(list(in_parallel(lambda item: meeting.wait(), range(4)))) == 4


@pytest.mark.parametrize("items", [[], [7]])
def test_a_single_item_starts_no_thread(items):
    workers = list(in_parallel(lambda item: threading.current_thread(), items))
    assert workers == [threading.current_thread()] * len(items)


def test_closing_drops_what_has_not_begun_and_waits_for_what_has(monkeypatch):
    dropped, begun, ended = threading.Event(), [], []

    class Pool(threads.ThreadPoolExecutor):
        def shutdown(self, **options):
            dropped.set()
            super().shutdown(**options)

    def work(item):
        begun.append(item)
        assert item == 0 or dropped.wait(10)
        ended.append(item)
        return item

    monkeypatch.setattr(threads, "n_workers", lambda: 2)
    monkeypatch.setattr(threads, "ThreadPoolExecutor", Pool)
    before = set(threading.enumerate())
    with closing(in_parallel(work, range(1000))) as answers:
        assert next(answers) == 0
    assert set(threading.enumerate()) <= before
    assert sorted(begun) == sorted(ended)
    assert len(begun) <= 3  # the first, and one in either worker


@pytest.mark.parametrize("items", [range(1), range(100)])
def test_what_fails_is_raised_and_leaves_no_thread(items, two_workers):
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        list(in_parallel(lambda item: 1 // item, items))
    assert set(threading.enumerate()) <= before
