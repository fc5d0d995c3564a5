import numpy as np
import pytest

from resmem_core.data.lookup import find_rows
from resmem_core.data.types import Examples

NAMED = Examples(np.zeros(4, int), names=np.array(["Cat/1.png", "cat/20.png", "dog/3.png", "dog/99.png"]))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("2", [2]),
        (" 0 ", [0]),
        ("99", [3]),  # no row, but part of a name
        ("20", [1]),
        ("CAT", [0, 1]),
        ("png", [0, 1, 2, 3]),
        ("bird", []),
        ("", []),
        ("-1", []),
        ("²", []),
    ],
)
def test_by_number_or_by_name(text, rows):
    assert find_rows(NAMED, text).tolist() == rows


def test_without_names_only_numbers_are_found():
    assert find_rows(Examples(np.zeros(4, int)), "3").tolist() == [3]
    assert find_rows(Examples(np.zeros(4, int)), "4").tolist() == []
