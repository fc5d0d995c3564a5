"""Reports of long work."""

from resmem_core.progress import Step, silent


def test_silent():
    assert silent(Step("Reading", 1, 2)) is None
