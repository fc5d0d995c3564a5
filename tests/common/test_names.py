import unicodedata

import pytest

from resmem_core.common.names import clean_name


@pytest.mark.parametrize("text", ["café", "café ", "\tcafé\n", "\u00a0café\u3000"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_what_looks_the_same_is_the_same(text, form):
    assert clean_name(unicodedata.normalize(form, text)) == "café"


def test_what_differs_stays_apart():
    assert len({clean_name(text) for text in ("Cat", "cat", "c at", "")}) == 4
