"""Reports of long work."""

import pytest

from resmem_core.errors import Cancelled
from resmem_core.progress import Step, silent, tracked


def test_reports_before_the_first_and_after_each():
    log = []
    for item in tracked("ab", "Reading", 2, lambda step: log.append((step.stage, step.done, step.total))):
        log.append(item)
    assert log == [("Reading", 0, 2), "a", ("Reading", 1, 2), "b", ("Reading", 2, 2)]


def test_nothing_to_do_is_reported_too():
    steps = []
    assert list(tracked([], "Reading", 0, steps.append)) == []
    assert steps == [Step("Reading", 0, 0)]


def test_cancelled_at_a_report_takes_no_further_item():
    taken = []

    def progress(step):
        if step.done == 2:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        taken.extend(tracked(iter(range(5)), "Reading", 5, progress))
    items = iter(range(5))
    with pytest.raises(Cancelled):
        list(tracked(items, "Reading", 5, progress))
    assert next(items) == 2


def test_silent():
    assert silent(Step("Reading", 1, 2)) is None
