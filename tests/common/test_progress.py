"""Reports of long work."""

from resmem_core.common.progress import Step, about, called


def test_reports_are_renamed():
    told = []
    about(told.append, "test")(Step("Reading", 1, 2, "page 3"))
    called(told.append, "Choosing")(Step("Reading", 1, 2))
    called(told.append, "Choosing")(Step("Reading", 1, 2, "page 3"))
    assert told == [
        Step("Reading (test)", 1, 2, "page 3"),
        Step("Choosing", 1, 2, "Reading"),
        Step("Choosing", 1, 2, "page 3"),
    ]
