"""Commands on the default experiment, which is prepared once."""

import pytest


@pytest.fixture(autouse=True)
def _default_is_open(_digits_ready):
    """Spare every command the default experiment's preparation, which others test."""
